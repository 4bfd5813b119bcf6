"""Baselines and probes do what their names say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from stages.evaluate import baselines, pictures, probes, scores
from stages.evaluate.moments import Moments, of_all
from stages.formats.patches import PatchSet

RNG = np.random.default_rng(5)


def rebuilt(train: np.ndarray, components: int, images: np.ndarray) -> np.ndarray:
    """`images` through the PCA of `train`, which comes in chunks of uneven size."""
    chunks = np.split(train, [7, 8, 30])
    return baselines.pca(images, *baselines.fit_pca(iter(chunks), len(train), components))


def test_the_1x1_convolution_learns_the_weights_of_the_target() -> None:
    colour = RNG.random((6, 12, 12, 3))
    wanted = baselines.luma(colour) * 0.9 + 0.05
    weights = baselines.fit_conv1x1([(colour[:1], wanted[:1]), (colour[1:3], wanted[1:3])])
    assert baselines.conv1x1(colour[3:], weights) == pytest.approx(wanted[3:])


@pytest.mark.parametrize(("patches", "components"), [(400, 48), (144, 30), (145, 30)])
def test_pca_is_that_of_scikit_learn(patches: int, components: int) -> None:
    train, test = (np.cumsum(RNG.normal(0, 1, (count, 144)), axis=1).reshape(-1, 12, 12) for count in (patches, 9))
    peer = PCA(components, svd_solver="full").fit(train.reshape(patches, -1))
    wanted = peer.inverse_transform(peer.transform(test.reshape(9, -1)))
    assert rebuilt(train, components, test).reshape(9, -1) == pytest.approx(wanted, abs=1e-9)


def test_pca_has_no_direction_in_which_the_training_patches_do_not_vary() -> None:
    flat = RNG.random((200, 12, 1)).repeat(12, axis=2)
    _, directions = baselines.fit_pca([flat], 200, 144)
    assert directions.shape == (144, 12)


def test_moments_of_chunks_are_those_of_all_rows_far_from_zero() -> None:
    rows = 1e6 + RNG.normal(0, 1e-2, (500, 3)) @ RNG.normal(0, 1, (3, 3))
    found = of_all(Moments.of(part) for part in np.split(rows, [1, 2, 300]))
    assert found.count == 500
    assert found.mean == pytest.approx(rows.mean(axis=0), rel=1e-14)
    assert found.scatter / 500 == pytest.approx(np.cov(rows.T, ddof=0), rel=1e-6)


def test_kl_is_zero_at_the_prior_and_known_elsewhere() -> None:
    assert probes.kl_nats(np.zeros((4, 3)), np.zeros((4, 3))).tolist() == [0] * 4
    assert probes.kl_nats(np.full((4, 2), 2.0), np.zeros((4, 2))) == pytest.approx(np.full(4, 4.0))  # ½ μ² per unit


def test_a_collapsed_unit_is_not_active() -> None:
    mean = np.stack([np.linspace(-1, 1, 50), np.zeros(50), np.full(50, 3.0)], axis=1)
    assert probes.active_units(Moments.of(mean)) == 1


def read_out(latent: np.ndarray, targets: np.ndarray) -> np.ndarray:
    parts = (probes.latent_and_gray(latent[part], targets[part]) for part in (slice(3), slice(3, None)))
    return probes.fit_read_out(of_all(parts))


def test_the_latent_read_out_is_the_line_of_least_squares_through_pixels() -> None:
    latent, targets = RNG.random((30, 3, 4, 2)), RNG.random((30, 12, 12))
    latent[..., 1] += 5 * targets.reshape(30, 3, 4, 4, 3).mean(axis=(2, 4))
    channel, *line = read_out(latent, targets)
    lines = [
        np.polyfit(plane.repeat(4, 1).repeat(3, 2).ravel(), targets.ravel(), 1) for plane in np.moveaxis(latent, 3, 0)
    ]
    assert channel == 1
    assert line == pytest.approx(lines[1])


def per_patch(index: pd.DataFrame, targets: np.ndarray, outputs: np.ndarray) -> pd.DataFrame:
    return scores.per_patch(index, "m", scores.measure(targets, scores.planes(targets, outputs)))


def test_scores_average_over_patches_photographs_and_domains(patch_set: PatchSet) -> None:
    gray = patch_set.read("gray")[..., 0] / 255
    index = patch_set.index.assign(photo=["a"] * 12 + ["b"] * 36)
    outputs = gray + np.where(np.arange(48) < 12, 0, 0.1)[:, None, None] * np.where(gray < 0.5, 1, -1)
    summary = scores.summarise(per_patch(index, gray, outputs))
    assert summary["exact"] == 12
    assert summary["mse"] == pytest.approx(0.0075)
    assert summary["psnr"] == pytest.approx(0.25 * 100 + 0.75 * 20)  # the mean of the patches' decibels
    assert summary["psnr_of_mean_mse"] == pytest.approx(-10 * np.log10(0.0075))  # is not that of their mean error


def test_errors_and_ssim_of_a_colour_output_are_averaged_over_channels(patch_set: PatchSet) -> None:
    gray = np.full((len(patch_set.index), 12, 12), 0.5)
    outputs = np.stack([gray, gray, gray + 0.3], axis=3)  # squared errors 0, 0 and 0.09: 0.03 on average
    found = per_patch(patch_set.index, gray, outputs)
    assert found["psnr"].to_numpy() == pytest.approx(-10 * np.log10(0.03))  # not the mean of 100, 100 and 10.5 dB
    third = per_patch(patch_set.index, gray, outputs[..., 2])["ssim"]
    assert found["ssim"].to_numpy() == pytest.approx((2 + third) / 3)


def test_quantiles_and_means_per_photograph_are_those_of_the_patches(patch_set: PatchSet) -> None:
    gray = patch_set.read("gray")[..., 0] / 255
    index = patch_set.index.assign(photo=["b"] * 12 + ["a"] * 36)
    table = per_patch(index, gray, np.clip(gray + RNG.normal(0, 0.1, gray.shape), 0, 1))
    means, spread = scores.by_photograph(table), scores.quantiles(table)
    assert means[["photo", "patches"]].to_numpy().tolist() == [["a", 36], ["b", 12]]
    assert means["ssim"].tolist() == pytest.approx([table["ssim"][12:].mean(), table["ssim"][:12].mean()])
    assert spread["quantile"].tolist() == [0, 5, 25, 50, 75, 95, 100]
    assert spread["psnr"].tolist() == pytest.approx(table["psnr"].quantile(spread["quantile"] / 100).tolist())


def test_outputs_are_clipped_and_exact_within_rounding_before_they_are_compared() -> None:
    targets = np.full((4, 12, 12), 0.5)
    assert scores.planes(targets, np.stack([targets - 1, targets + 1], axis=3)).tolist() == [
        np.zeros_like(targets).tolist(),
        np.ones_like(targets).tolist(),
    ]
    assert (scores.planes(targets, targets + RNG.uniform(-1e-12, 1e-12, targets.shape))[0] == targets).all()


def test_the_picture_shows_the_worst_the_median_and_the_best() -> None:
    assert pictures.ranks(np.array([0.5, 0.1, 0.9, 0.3, 0.7]), 1).tolist() == [[1], [0], [2]]
