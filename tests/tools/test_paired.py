"""Verdicts on many differences at once: rarely any where there is none, and most where they are as large as claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from stages.evaluate.intervals import bootstrap_means
from tools.compare import paired

PAIRS = 1000
NOISE = 2 * np.sqrt(0.05 * 0.95 / PAIRS)  # of a share of so many, where it is 5 % exactly
FEW = [155, 274, 321]  # patches of the bundled test photographs
MANY = [20, 35, 300, 50, 64, 80, 12, 110, 150, 90]
WEIGHTS = np.tile([0.4, 0.4, 0.1, 0.1], 3)  # three variants, four measures


def simulated(patches: list[int], spread: float, true: np.ndarray, pairs: int = PAIRS) -> tuple[np.ndarray, np.ndarray]:
    """The photograph of each patch, and differences `(pairs, patches, 12)` of as many pairs of revisions.

    Photographs differ from each other by a standard deviation of `spread`, the patches of one by 1; the measures of a
    variant are correlated by 0.8, and those of the three variants by 0.3.
    """
    rng = np.random.default_rng(len(patches) + int(10 * spread))
    same_variant = np.kron(np.eye(3), np.ones((4, 4)))
    mix = np.linalg.cholesky(0.3 + 0.5 * same_variant + 0.2 * np.eye(12)).T.astype(np.float32)
    photos = np.repeat(np.arange(len(patches)), patches)
    of_photo = spread * rng.standard_normal((pairs, len(patches), 12), dtype=np.float32)
    of_patch = rng.standard_normal((pairs, len(photos), 12), dtype=np.float32)
    return photos, (of_photo[:, photos] + of_patch) @ mix + true


def found(photos: np.ndarray, differences: np.ndarray) -> np.ndarray:
    return paired.differ(paired.paired(paired.of_photographs(photos, differences)).p, WEIGHTS)


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("patches", [FEW, MANY], ids=["3 photographs", "10 photographs"])
def test_where_nothing_differs_95_of_100_comparisons_give_no_verdict_at_all(patches: list[int], spread: float) -> None:
    wrong = found(*simulated(patches, spread, np.zeros(12))).any(axis=1)
    assert wrong.mean() <= 0.05


def test_photographs_with_outliers_give_no_more_false_alarms() -> None:
    photos, differences = simulated(FEW, 0.0, np.zeros(12))
    means = paired.of_photographs(photos, differences)
    outliers = means / np.sqrt(np.random.default_rng(3).chisquare(3, (PAIRS, 3, 1)))
    assert paired.differ(paired.paired(outliers).p, WEIGHTS).any(axis=1).mean() <= 0.05


def test_what_does_not_differ_gets_no_verdict_where_other_measures_do() -> None:
    true = np.repeat([100.0, 0.0, 0.0], 4)
    told = found(*simulated(FEW, 1.0, true))
    assert told[:, :4].all(axis=1).mean() > 0.6
    assert told[:, 4:].any(axis=1).mean() <= 0.05 + NOISE


@pytest.mark.parametrize("patches", [FEW, MANY], ids=["3 photographs", "10 photographs"])
def test_a_difference_of_the_size_claimed_is_found_four_times_in_five(patches: list[int]) -> None:
    spread, count, share = 0.5, len(patches), WEIGHTS[0] / WEIGHTS.sum()
    variance = spread**2 + np.mean(1 / np.array(patches))  # of a photograph's mean
    size = paired.smallest(float(np.sqrt(variance / count)), count, paired.ERROR * share)
    true = np.zeros(12)
    true[0] = size
    assert found(*simulated(patches, spread, true))[:, 0].mean() == pytest.approx(0.8, abs=0.04)


def test_percentiles_of_resampled_photographs_would_raise_false_alarms() -> None:
    photos, differences = simulated([10, 15, 20], 3.0, np.zeros(12), pairs=200)
    wrong = []
    for pair in differences[..., :4]:
        low, high = np.percentile(bootstrap_means(photos, pair, 200, seed=1), [2.5 / 4, 100 - 2.5 / 4], axis=0)
        wrong.append(((low > 0) | (high < 0)).any())
    assert np.mean(wrong) > 0.2


def test_means_over_patches_would_raise_false_alarms_where_one_photograph_has_most() -> None:
    photos, differences = simulated([20, 30, 700], 3.0, np.zeros(12))
    means, weights = paired.of_photographs(photos, differences)[..., 0], np.array([20, 30, 700]) / 750
    estimate = means @ weights
    error = np.sqrt(1.5 * ((weights * (means - estimate[:, None])) ** 2).sum(axis=1))
    wrong = 2 * stats.t.sf(np.abs(estimate) / error, 2) < 0.05
    assert wrong.mean() > 0.3


def test_the_interval_is_that_of_bootstrapped_photographs_corrected_for_few() -> None:
    means = np.random.default_rng(5).normal(1.0, 0.4, (7, 2))
    drawn = bootstrap_means(np.arange(7), means, 40_000, seed=1)
    result = paired.paired(means)
    error = drawn.std(axis=0) * np.sqrt(7 / 6)
    assert result.error == pytest.approx(error, rel=0.02)
    assert result.high - result.estimate == pytest.approx(stats.t.ppf(0.975, 6) * error, rel=0.02)


@given(arrays(np.float64, (5, 3), elements=st.floats(-100, 100)))
def test_p_and_interval_are_those_of_students_paired_test(means: np.ndarray) -> None:
    means += np.arange(5)[:, None] * 0.01
    if (means.std(axis=0) < 1e-6).any():
        return
    result, other = paired.paired(means), stats.ttest_1samp(means, 0)
    assert result.p == pytest.approx(other.pvalue)
    interval = other.confidence_interval()
    assert result.low == pytest.approx(interval.low)
    assert result.high == pytest.approx(interval.high)


def test_sleep_gained_with_one_drug_and_not_the_other_differs_as_student_found() -> None:
    gained = [[0.7, 1.9], [-1.6, 0.8], [-0.2, 1.1], [-1.2, 0.1], [-0.1, -0.1]]  # Student 1908, The Probable Error of
    gained += [[3.4, 4.4], [3.7, 5.5], [0.8, 1.6], [0.0, 4.6], [2.0, 3.4]]  # a Mean, hours of ten patients
    result = paired.paired(np.diff(np.array(gained), axis=1))
    assert float(result.estimate[0]) == pytest.approx(1.58)
    assert float(result.p[0]) == pytest.approx(0.002833, abs=1e-6)
    assert (float(result.low[0]), float(result.high[0])) == pytest.approx((0.7001, 2.4599), abs=1e-4)


def test_a_single_photograph_tells_nothing_of_others() -> None:
    result = paired.paired(np.array([[7.0]]))
    assert (float(result.estimate[0]), float(result.p[0])) == (7.0, 1.0)
    assert np.isnan([result.low[0], result.high[0], result.error[0]]).all()
    assert np.isnan(paired.smallest(float("nan"), 1, 0.05))


def test_photographs_that_all_differ_alike_tell_nothing_of_others_either() -> None:
    result = paired.paired(np.array([[0.5, 0.0]] * 3))
    assert result.p.tolist() == [1.0, 1.0]
    assert np.isnan([result.error, result.low, result.high]).all()
    alike = np.array([[0.0100001], [0.01], [0.0099999]])
    assert paired.paired(alike, rounding=1e-6).p.tolist() == [1.0]
    assert paired.paired(alike, rounding=1e-8).p[0] < 0.001


def test_differences_in_a_few_steps_give_no_more_false_alarms() -> None:
    steps = np.random.default_rng(8).choice([-1.0, 1.0], (PAIRS, 3, 1))
    assert paired.paired(steps).p.min() > 0.05  # three alike are one in four


def test_skewed_differences_give_more_false_alarms_than_claimed_but_not_many() -> None:
    skewed = np.random.default_rng(9).exponential(1.0, (4 * PAIRS, 10, 1)) - 1
    wrong = paired.paired(skewed).p < paired.ERROR
    assert 0.05 + NOISE < wrong.mean() < 0.13
    few = paired.paired(skewed[:, :3]).p < paired.ERROR
    assert few.mean() < 0.2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired.paired(np.array([[1.0], [value], [1.1]]))


def test_each_photograph_counts_alike_however_many_patches_it_has() -> None:
    means = paired.of_photographs(np.array(["b", "a", "b", "b"]), np.array([[3.0], [10.0], [4.0], [5.0]]))
    assert means.tolist() == [[10.0], [4.0]]


def test_holm_by_hand() -> None:
    p = np.array([0.010, 0.030, 0.016, 0.040])  # against 0.05 / 4, / 3, / 2, / 1
    assert paired.differ(p, np.ones(4)).tolist() == [True, False, True, False]
    assert paired.differ(np.array([0.026, 0.001]), np.ones(2)).tolist() == [True, True]
    assert paired.differ(np.array([0.030, 0.026]), np.ones(2)).tolist() == [False, False]


def test_a_heavier_weight_asks_for_less_and_hands_on_what_it_does_not_need() -> None:
    weights = np.array([0.8, 0.2])
    assert paired.differ(np.array([0.039, 0.049]), weights).tolist() == [True, True]
    assert paired.differ(np.array([0.041, 0.011]), weights).tolist() == [False, False]
    assert paired.differ(np.array([0.049, 0.009]), weights).tolist() == [True, True]


@given(arrays(np.float64, 6, elements=st.floats(0, 1)), arrays(np.float64, 6, elements=st.floats(0.01, 1)))
def test_verdicts_lie_between_those_of_bonferroni_and_those_of_no_correction(
    p: np.ndarray, weights: np.ndarray
) -> None:
    told = paired.differ(p, weights)
    assert (told >= (p < paired.ERROR * weights / weights.sum() * (1 - 1e-9))).all()
    assert (told <= (p <= paired.ERROR * (1 + 1e-9))).all()


@pytest.mark.parametrize(("photographs", "level"), [(3, 0.05), (3, 0.02), (10, 0.001), (40, 0.02)])
def test_the_smallest_difference_is_that_of_the_noncentral_t_distribution(photographs: int, level: float) -> None:
    size = paired.smallest(0.25, photographs, level) / 0.25
    bound = stats.t.ppf(1 - level / 2, photographs - 1)
    tails = stats.nct.sf(bound, photographs - 1, size) + stats.nct.cdf(-bound, photographs - 1, size)
    assert tails == pytest.approx(paired.POWER, abs=1e-4)
