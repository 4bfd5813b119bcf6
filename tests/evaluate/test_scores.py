"""From outputs to scores: rounding, means over patches and photographs, intervals, quantiles, and what git keeps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.evaluate import scores
from stages.evaluate.scores import Interval
from stages.formats.patches import PatchSet

RNG = np.random.default_rng(5)


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


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=12))
def test_the_interval_is_students_over_those_that_have_a_value(values: list[float]) -> None:
    found, known = Interval.of(pd.Series([*values, np.nan])), stats.ttest_1samp(values, 0)
    if np.std(values) > 1e-6:
        expected = known.confidence_interval(0.95)
        assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), expected.low, expected.high))
        assert Interval.of(pd.Series(values), share=2).low == pytest.approx(known.confidence_interval(0.975).low)
