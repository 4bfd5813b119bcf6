"""Noise is the same for every method and as strong as it says; scores under noise are those against clean targets."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate import baselines, measures, noise, scores
from stages.formats.patches import PatchSet

RNG = np.random.default_rng(19)


def test_noise_is_that_of_the_seed_and_chunks_do_not_share_it() -> None:
    gray = np.full((4, 12, 12, 3), 0.5)
    first, *others = (noise.noisy(gray, 10, seed) - gray for seed in ([1, 0], [1, 1], [2, 0]))
    assert first == pytest.approx(10 / 255 * np.random.default_rng(1).standard_normal(gray.shape))
    for other in others:
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1


def test_noise_is_gaussian_independent_and_of_its_level() -> None:
    gray = np.full((200, 28, 28, 3), 0.5)
    added = 255 * (noise.noisy(gray, 10, seed=[1]) - gray)
    assert added.std() == pytest.approx(10, rel=0.01)
    assert added.mean() == pytest.approx(0, abs=0.1)
    assert np.mean(np.abs(added) < 10) == pytest.approx(0.6827, abs=0.005)
    channels = np.corrcoef(added.reshape(-1, 3).T)
    assert channels[np.triu_indices(3, 1)] == pytest.approx(np.zeros(3), abs=0.02)
    assert np.corrcoef(added[:, :, 1:, 0].ravel(), added[:, :, :-1, 0].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def under_noise(gray: np.ndarray, targets: np.ndarray, level: float, convert: baselines.Closed) -> np.ndarray:
    """Mean psnr, ssim and total variation."""
    planes = scores.planes(targets, convert(noise.noisy(gray, level, [1])))
    return noise.sums(targets, planes) / len(targets)


def test_luma_under_noise_has_the_error_that_its_weights_give() -> None:
    gray = np.full((48, 28, 28, 3), 0.5)
    found = {level: under_noise(gray, gray[..., 0], level, baselines.luma) for level in (5, 10)}
    for level, row in found.items():
        error = (level / 255) ** 2 * (0.299**2 + 0.587**2 + 0.114**2)
        assert row[0] == pytest.approx(-10 * np.log10(error), abs=0.05)
    assert found[10][1] < found[5][1] < 0.9


def test_means_under_noise_are_those_of_the_patches(patch_set: PatchSet) -> None:
    colour, targets = patch_set.read("colour") / 255, patch_set.read("gray")[..., 0] / 255
    row = under_noise(colour, targets, 25, baselines.green)
    output = noise.noisy(colour, 25, [1])[..., 1]
    found = (measure(targets, output).mean() for measure in (measures.psnr, measures.ssim))
    assert row == pytest.approx([*found, measures.total_variation(output).mean()])


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    row, column = np.indices((12, 16)) / 100
    images = np.stack([2 * column, row, 2 * column + row, row * 0])
    assert measures.total_variation(images) == pytest.approx([0.01, 0.005, 0.015, 0])
    assert measures.total_variation(1 - images) == pytest.approx([0.01, 0.005, 0.015, 0])  # a fall counts as a rise
    assert measures.total_variation(np.tile([0, 1], (1, 4, 2))) == pytest.approx([0.5])  # ups and downs do not cancel


def smoothness(targets: np.ndarray, planes: np.ndarray) -> float:
    return noise.smoothness(noise.variation(planes) / len(targets), noise.variation(targets[None]) / len(targets))


def test_smoothness_is_a_ratio_of_means_over_patches() -> None:
    targets = RNG.random((6, 12, 12)) * np.linspace(0.1, 1, 6)[:, None, None]
    assert smoothness(targets, 0.25 * targets[None] + 0.5) == pytest.approx(0.25)
    assert smoothness(targets, np.stack([targets, targets, 0 * targets])) == pytest.approx(2 / 3)
    first_only = targets * (np.arange(6) == 5)[:, None, None]
    expected = measures.total_variation(targets)[5] / measures.total_variation(targets).sum()
    assert smoothness(targets, first_only[None]) == pytest.approx(expected)


def test_flat_outputs_and_flat_targets_give_finite_numbers() -> None:
    flat = np.full((3, 12, 12), 0.5)
    assert smoothness(RNG.random((3, 12, 12)), flat[None] + RNG.uniform(0, 1e-12, (1, 3, 12, 12))) == 0
    assert smoothness(flat, flat[None]) == 0
    assert np.isfinite(smoothness(flat, RNG.random((1, 3, 12, 12))))
