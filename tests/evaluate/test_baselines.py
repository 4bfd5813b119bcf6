"""Baselines and probes do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate import baselines, pictures, probes, scores
from stages.targets.patches import PatchSet

RNG = np.random.default_rng(5)


def test_the_1x1_convolution_learns_the_weights_of_the_target() -> None:
    colour = RNG.random((6, 12, 12, 3))
    method = baselines.fit_conv1x1(colour[:3], baselines.luma(colour[:3]) * 0.9 + 0.05)
    assert method(colour[3:]) == pytest.approx(baselines.luma(colour[3:]) * 0.9 + 0.05)


def test_pca_is_the_projection_on_the_leading_singular_vectors() -> None:
    train, test = RNG.random((200, 12, 12)), RNG.random((5, 12, 12))
    mean = train.reshape(200, -1).mean(axis=0)
    _, _, directions = np.linalg.svd(train.reshape(200, -1) - mean, full_matrices=False)
    basis = directions[:9].T
    wanted = (test.reshape(5, -1) - mean) @ basis @ basis.T + mean
    assert baselines.fit_pca(train, 9)(test) == pytest.approx(wanted.reshape(test.shape))


def test_pca_with_as_many_components_as_pixels_is_the_identity() -> None:
    images = RNG.random((200, 12, 12))
    assert baselines.fit_pca(images, 144)(images) == pytest.approx(images)


def test_pca_of_few_patches_rebuilds_those_patches() -> None:
    images = RNG.random((40, 12, 12))
    assert baselines.fit_pca(images, 144)(images) == pytest.approx(images)


def test_kl_is_zero_at_the_prior_and_known_elsewhere() -> None:
    assert probes.kl_nats(np.zeros((4, 3)), np.zeros((4, 3))) == 0
    assert probes.kl_nats(np.full((4, 2), 2.0), np.zeros((4, 2))) == pytest.approx(4.0)  # ½ μ² per unit


def test_a_collapsed_unit_is_not_active() -> None:
    mean = np.stack([np.linspace(-1, 1, 50), np.zeros(50), np.full(50, 3.0)], axis=1)
    assert probes.active_units(mean) == 1


def test_the_latent_read_out_finds_the_channel_that_holds_gray() -> None:
    gray = RNG.random((30, 3, 3))
    latent = np.stack([RNG.random((30, 3, 3)), 5 - 2 * gray, RNG.random((30, 3, 3))], axis=3)
    targets = gray.repeat(4, axis=1).repeat(4, axis=2)
    read_out = probes.LatentReadOut(latent[:20], targets[:20])
    assert read_out.channel == 1
    assert read_out(latent[20:], 12) == pytest.approx(targets[20:])


def test_scores_average_over_patches_photographs_and_domains(patch_set: PatchSet) -> None:
    gray = patch_set.read("gray")[..., 0] / 255
    index = patch_set.index.assign(photo=["a"] * 12 + ["b"] * 36)
    outputs = gray + np.where(np.arange(48) < 12, 0, 0.1)[:, None, None] * np.where(gray < 0.5, 1, -1)
    summary = scores.summarise(scores.per_patch(index, "m", gray, outputs))
    assert summary["exact"] == 12
    assert summary["photos"]["b"]["mse"] == pytest.approx(0.01)
    assert summary["mse"] == pytest.approx(0.0075)
    assert summary["psnr"] == pytest.approx(0.25 * 100 + 0.75 * 20)  # the mean of the patches' decibels
    assert summary["psnr_of_mean_mse"] == pytest.approx(-10 * np.log10(0.0075))  # is not that of their mean error


def test_a_difference_below_the_rounding_of_float64_is_none(patch_set: PatchSet) -> None:
    gray = patch_set.read("gray")[..., 0] / 255
    table = scores.per_patch(patch_set.index, "m", gray, gray + RNG.uniform(-1e-12, 1e-12, gray.shape))
    assert (table[["mse", "mae"]] == 0).all(axis=None)
    assert scores.summarise(table)["exact"] == len(gray)


def test_a_colour_output_is_compared_channel_by_channel(patch_set: PatchSet) -> None:
    gray = patch_set.read("gray")[..., 0] / 255
    as_colour = np.repeat(gray[..., None], 3, axis=3)
    assert (scores.per_patch(patch_set.index, "m", gray, as_colour)["ssim"] > 1 - 1e-9).all()
    as_colour[..., 0] = 1 - as_colour[..., 0]
    assert (scores.per_patch(patch_set.index, "m", gray, as_colour)["ssim"] < 1).all()


def test_what_is_outside_the_range_is_clipped_before_it_is_compared(patch_set: PatchSet) -> None:
    white = np.ones((48, 12, 12))
    table = scores.per_patch(patch_set.index, "m", white, white + RNG.random(white.shape))
    assert (table["mse"] == 0).all()
    assert scores.planes(white, np.stack([-white, white * 2], axis=3)).tolist() == np.stack([0 * white, white]).tolist()


def test_the_picture_shows_the_worst_the_median_and_the_best() -> None:
    groups = pictures.ranks(np.array([0.5, 0.1, 0.9, 0.3, 0.7]), 1)
    assert {name: positions.tolist() for name, positions in groups.items()} == {
        "worst": [1],
        "median": [0],
        "best": [2],
    }
