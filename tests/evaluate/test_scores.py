"""Measures agree with scikit-image; scores are rounded, averaged and summarised as their tables say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from skimage.color import lab2rgb
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from stages.evaluate import measures, scores
from stages.evaluate.scores import Interval
from stages.formats.patches import PatchSet

RNG = np.random.default_rng(5)


# === Measures ===


@pytest.mark.parametrize("shape", [(20, 28, 28), (3, 90, 141)])  # SSIM cuts the larger into pieces
def test_psnr_mse_and_ssim_agree_with_scikit_image(shape: tuple[int, ...]) -> None:
    targets = RNG.random(shape)
    outputs = np.clip(targets + RNG.normal(0, RNG.uniform(0, 0.4, (len(targets), 1, 1)), shape), 0, 1)
    pairs = list(zip(targets, outputs, strict=True))
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    peer = [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]
    assert measures.psnr(targets, outputs) == pytest.approx(peer)
    assert measures.mse(targets, outputs) == pytest.approx([mean_squared_error(*pair) for pair in pairs])
    peer = [structural_similarity(*pair, **wang) for pair in pairs]
    assert measures.ssim(targets, outputs) == pytest.approx(peer, abs=1e-12)
    with pytest.raises(ValueError, match="at least 11"):
        measures.ssim(targets[:, :10], outputs[:, :10])


def test_identical_images_have_no_psnr_and_an_ssim_of_one_and_equal_pixels_are_counted() -> None:
    targets = RNG.random((4, 28, 28))
    outputs = targets.copy()
    outputs[0, :7] += 1e-9
    assert np.isnan(measures.psnr(targets, outputs)).tolist() == [False, True, True, True]
    assert measures.ssim(targets, targets) == pytest.approx(np.ones(4))
    assert measures.exact(targets, outputs).tolist() == [0.75, 1, 1, 1]


def test_chroma_is_zero_for_gray_and_known_for_a_known_colour() -> None:
    gray = np.repeat(RNG.random((3, 28, 28, 1)), 3, axis=3)
    assert measures.chroma(gray) == pytest.approx(np.zeros(3), abs=0.01)
    colour = lab2rgb(np.full((1, 8, 8, 3), [60.0, 30.0, 40.0]))
    assert measures.chroma(colour) == pytest.approx([50.0], abs=0.01)


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    row, column = np.indices((12, 16)) / 100
    images = np.stack([2 * column, row, 2 * column + row, row * 0])
    assert measures.total_variation(images) == pytest.approx([0.01, 0.005, 0.015, 0])
    assert measures.total_variation(1 - images) == pytest.approx([0.01, 0.005, 0.015, 0])
    assert measures.total_variation(np.tile([0, 1], (1, 4, 2))) == pytest.approx([0.5])  # ups and downs add up


# === Tables ===


def per_patch(index: pd.DataFrame, targets: np.ndarray, outputs: np.ndarray) -> pd.DataFrame:
    return scores.per_patch(index, "m", scores.measure(targets, scores.planes(outputs)))


def shifted(patch_set: PatchSet, photos: list[str]) -> pd.DataFrame:
    """Scores of outputs of which the first 12 patches are exact, and the others wrong by 51 levels, a fifth."""
    gray = patch_set.read("gray")[..., 0] / 255
    outputs = gray + np.where(np.arange(48) < 12, 0, 0.2)[:, None, None] * np.where(gray < 0.5, 1, -1)
    return per_patch(patch_set.index.assign(photo=photos), gray, outputs)


def test_identical_patches_are_counted_and_have_no_part_in_the_mean_psnr(patch_set: PatchSet) -> None:
    table = shifted(patch_set, ["a"] * 12 + ["b"] * 36)
    summary = scores.summarise(table)
    assert (summary["identical"], summary["patches"], summary["exact"]) == (12, 48, 0.25)
    assert summary["mse"] == pytest.approx(0.03)
    assert summary["psnr"] == pytest.approx(-20 * np.log10(0.2))
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
    assert (scores.planes(outputs) == levels.reshape(1, 16, 16)).all()
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
    expected = {"mine": {"psnr": None, "ssim": 0.12346}, "pca_32": {"psnr": 1, "ssim": 1}}
    assert scores.of_metrics("baselines", {"scores": summary["scores"]}) == expected


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=12))
def test_the_interval_is_students_without_missing_values(values: list[float]) -> None:
    found, known = Interval.of(pd.Series([*values, np.nan])), stats.ttest_1samp(values, 0)
    if np.std(values) > 1e-6:
        expected = known.confidence_interval(0.95)
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), expected.low, expected.high))
        assert Interval.of(pd.Series(values), share=2).low == pytest.approx(known.confidence_interval(0.975).low)
