"""Baselines and probes do what their names say."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from stages.evaluate import baselines, pictures, probes, scores
from stages.evaluate.moments import Moments, of_all
from stages.formats.patches import PatchSet

RNG = np.random.default_rng(5)


def test_the_1x1_convolution_learns_the_weights_of_the_target() -> None:
    colour = RNG.random((6, 12, 12, 3))
    wanted = baselines.luma(colour) * 0.9 + 0.05
    weights = baselines.fit_conv1x1([(colour[:1], wanted[:1]), (colour[1:3], wanted[1:3])])
    assert baselines.conv1x1(colour[3:], weights) == pytest.approx(wanted[3:])


def smooth(patches: int) -> np.ndarray:
    """Patches of 12 pixels that vary in no symmetric way."""
    return np.cumsum(RNG.normal(0.1, 1, (patches, 144)), axis=1).reshape(-1, 12, 12)


@pytest.mark.parametrize("patches", [40, 18, 10])  # 36 copies are as many as half of the pixels
def test_pca_is_that_of_all_flips_and_turns(patches: int) -> None:
    train, test = smooth(patches), smooth(9).reshape(9, -1)
    turned = [np.rot90(train, turns, axes=(1, 2)) for turns in range(4)]
    every = np.concatenate([*turned, *(np.flip(each, axis=2) for each in turned)]).reshape(8 * patches, -1)
    peer = PCA(svd_solver="full").fit(every)
    gaps = peer.explained_variance_[:-1] > 1.001 * peer.explained_variance_[1:]
    mean, directions = baselines.fit_pca(iter(np.split(train, [3, 4])), patches, 144)
    assert mean == pytest.approx(peer.mean_)
    assert directions.T @ directions == pytest.approx(np.eye(directions.shape[1]))
    for components in (1, *(np.flatnonzero(gaps[20:40]) + 21)):  # not between two of the same variance
        wanted = (test - peer.mean_) @ peer.components_[:components].T @ peer.components_[:components] + peer.mean_
        found = baselines.pca(test.reshape(9, 12, 12), mean, directions[:, :components])
        assert found.reshape(9, -1) == pytest.approx(wanted, abs=1e-8)
    assert baselines.fit_pca([train], patches, 30)[1].shape == (144, 30)


def test_of_a_component_and_its_turned_twin_the_even_one_comes_first() -> None:
    train = smooth(100)
    _, directions = baselines.fit_pca([train], 100, 144)
    images = directions.T.reshape(-1, 12, 12)
    twins = [
        (number, other)
        for number, other in itertools.pairwise(range(len(images)))
        if abs(np.vdot(images[number], images[other].T)) > 0.999
    ]
    assert len(twins) > 20
    for even, odd in twins:
        assert images[even] == pytest.approx(images[even][::-1])
        assert images[odd] == pytest.approx(-images[odd][::-1])


def test_pca_has_no_direction_in_which_the_training_patches_do_not_vary() -> None:
    flat = RNG.random((200, 12, 1)).repeat(12, axis=2)  # rows in half of the copies, columns in the others
    assert baselines.fit_pca([flat], 200, 144)[1].shape == (144, 23)
    assert baselines.fit_pca([flat[:4]], 4, 144)[1].shape[1] < 23


@pytest.mark.parametrize(("radial", "place"), [(False, 32), (True, 24)])  # of u = 3, v = 4, counted by hand
def test_a_dct_code_keeps_a_wave_from_its_place_on(radial: bool, place: int) -> None:
    row, column = np.indices((12, 12)) + 0.5
    wave = np.cos(np.pi * 3 * row / 12) * np.cos(np.pi * 4 * column / 12)
    images = np.stack([0.5 + 0.1 * wave, 0.2 - 0.1 * wave])
    flat = images.mean(axis=(1, 2), keepdims=True) * np.ones((1, 12, 12))
    assert baselines.dct(images, place - 1, radial=radial) == pytest.approx(flat)
    assert baselines.dct(images, place, radial=radial) == pytest.approx(images)


def test_codes_go_by_their_names() -> None:
    images = smooth(5)
    fitted = baselines.fit_pca([smooth(50)], 50, 30)
    found = {name: code(images) for name, code in baselines.codes(30, fitted).items()}
    assert list(found) == ["pca_30", "dct_30", "dct_radial_30"]
    assert (found["pca_30"] == baselines.pca(images, *fitted)).all()
    assert (found["dct_30"] == baselines.dct(images, 30)).all()
    assert (found["dct_radial_30"] == baselines.dct(images, 30, radial=True)).all()


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
    return scores.per_patch(index, "m", scores.measure(targets, scores.planes(outputs)))


def shifted(patch_set: PatchSet, photos: list[str]) -> pd.DataFrame:
    """Scores of outputs of which the first 12 patches are exact, and the others wrong by 51 levels, a fifth."""
    gray = patch_set.read("gray")[..., 0] / 255
    outputs = gray + np.where(np.arange(48) < 12, 0, 0.2)[:, None, None] * np.where(gray < 0.5, 1, -1)
    return per_patch(patch_set.index.assign(photo=photos), gray, outputs)


def test_scores_average_over_patches_of_which_the_identical_have_no_psnr(patch_set: PatchSet) -> None:
    table = shifted(patch_set, ["a"] * 12 + ["b"] * 36)
    summary = scores.summarise(table)
    assert (summary["identical"], summary["patches"], summary["exact"]) == (12, 48, 0.25)
    assert summary["mse"] == pytest.approx(0.03)
    assert summary["psnr"] == pytest.approx(-20 * np.log10(0.2))  # without those that are identical
    assert summary["psnr_of_mean_mse"] == pytest.approx(-10 * np.log10(0.03))
    same = scores.summarise(table[:12])
    assert (same["identical"], same["psnr"], same["psnr_of_mean_mse"], same["ssim"]) == (12, None, None, 1)


def test_errors_and_ssim_of_a_colour_output_are_averaged_over_channels(patch_set: PatchSet) -> None:
    gray = np.full((len(patch_set.index), 12, 12), 0.4)
    outputs = np.stack([gray, gray, gray + 0.2], axis=3)  # squared errors 0, 0 and 0.04
    found = per_patch(patch_set.index, gray, outputs)
    assert found["psnr"].to_numpy() == pytest.approx(-10 * np.log10(0.04 / 3))  # not a mean of decibels
    third = per_patch(patch_set.index, gray, outputs[..., 2])
    assert found["ssim"].to_numpy() == pytest.approx((2 + third["ssim"]) / 3)
    assert found["exact"].to_numpy() == pytest.approx(2 / 3)
    assert scores.summarise(found)["identical"] == 0


def test_quantiles_and_means_per_photograph_are_those_of_the_patches(patch_set: PatchSet) -> None:
    table = shifted(patch_set, ["b"] * 6 + ["c"] * 6 + ["b"] * 36)
    noise = RNG.normal(0, 1, 48)
    table["psnr"] += noise
    means, spread = scores.by_photograph(table), scores.quantiles(table)
    assert means[["photo", "patches"]].to_numpy().tolist() == [["b", 42], ["c", 6]]
    psnr = -20 * np.log10(0.2) + noise[12:]
    assert means["psnr"].tolist() == pytest.approx([psnr.mean(), np.nan], nan_ok=True)
    assert means["exact"].tolist() == pytest.approx([1 / 7, 1])
    assert spread["quantile"].tolist() == [0, 5, 25, 50, 75, 95, 100]
    assert spread["psnr"].tolist() == pytest.approx(np.percentile(psnr, spread["quantile"]).tolist())


def test_outputs_are_clipped_and_rounded_to_8_bits_before_they_are_compared() -> None:
    levels = np.arange(256) / 255
    outputs = np.stack([levels - 0.49 / 255, levels + 0.49 / 255]).reshape(2, 16, 16)
    assert (scores.planes(outputs) == levels.reshape(16, 16)).all()  # the very fractions that targets are
    assert scores.planes(outputs).shape == (1, 2, 16, 16)
    colour = scores.planes(np.stack([outputs - 1.1, outputs, outputs + 1.1], axis=3))
    assert colour.shape == (3, 2, 16, 16)
    assert [plane.mean() for plane in colour] == [0, pytest.approx(0.5), 1]


def test_metrics_are_those_of_the_variant_alone_with_its_start() -> None:
    summary = {
        "latent": 32,
        "start": {"psnr": 16.00049, "ssim": 0.1},
        "scores": {"mine": {"psnr": None, "ssim": 0.1234567, "mse": 1}, "pca_32": {"psnr": 1.0, "ssim": 1.0}},
    }
    expected = {"mine": {"latent": 32, "psnr": None, "ssim": 0.12346, "start_psnr": 16.0}}
    assert scores.of_metrics("mine", summary) == expected
    assert scores.of_metrics("baselines", {"scores": summary["scores"]}) == {
        "mine": {"psnr": None, "ssim": 0.12346},
        "pca_32": {"psnr": 1, "ssim": 1},
    }


def test_the_picture_shows_the_worst_the_median_and_the_best() -> None:
    assert pictures.ranks(np.array([0.5, 0.1, 0.9, 0.3, 0.7]), 1).tolist() == [[1], [0], [2]]
