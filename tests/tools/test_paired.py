"""Verdicts on many differences at once: rarely any where there is none, and most where they are as large as claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

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
    means = np.stack([differences[:, photos == name].mean(axis=1) for name in np.unique(photos)], axis=-1)
    return paired.differ(paired.paired(means).p, WEIGHTS)


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("patches", [FEW, MANY], ids=["3 photographs", "10 photographs"])
def test_where_nothing_differs_95_of_100_comparisons_give_no_verdict_at_all(patches: list[int], spread: float) -> None:
    wrong = found(*simulated(patches, spread, np.zeros(12))).any(axis=1)
    assert wrong.mean() <= 0.05


def test_what_does_not_differ_gets_no_verdict_where_other_measures_do() -> None:
    true = np.repeat([100.0, 0.0, 0.0], 4)
    told = found(*simulated(FEW, 1.0, true))
    assert told[:, :4].all(axis=1).mean() > 0.6
    assert told[:, 4:].any(axis=1).mean() <= 0.05 + NOISE


@given(arrays(np.float64, (3, 5), elements=st.floats(-100, 100)))
def test_p_and_interval_are_those_of_students_paired_test(means: np.ndarray) -> None:
    means += np.arange(5) * 0.01
    if (means.std(axis=1) < 1e-6).any():
        return
    result, other = paired.paired(means), stats.ttest_1samp(means, 0, axis=1)
    assert result.p == pytest.approx(other.pvalue)
    interval = other.confidence_interval()
    assert result.low == pytest.approx(interval.low)
    assert result.high == pytest.approx(interval.high)


def test_sleep_gained_with_one_drug_and_not_the_other_differs_as_student_found() -> None:
    gained = [[0.7, 1.9], [-1.6, 0.8], [-0.2, 1.1], [-1.2, 0.1], [-0.1, -0.1]]  # Student 1908, The Probable Error of
    gained += [[3.4, 4.4], [3.7, 5.5], [0.8, 1.6], [0.0, 4.6], [2.0, 3.4]]  # a Mean, hours of ten patients
    result = paired.paired(np.diff(np.array(gained), axis=1)[:, 0])
    assert float(result.estimate) == pytest.approx(1.58)
    assert float(result.p) == pytest.approx(0.002833, abs=1e-6)
    assert (float(result.low), float(result.high)) == pytest.approx((0.7001, 2.4599), abs=1e-4)


@pytest.mark.parametrize("differences", [[7.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.0100001, 0.01, 0.0099999]])
def test_a_single_photograph_or_some_that_differ_alike_tell_nothing_of_others(differences: list[float]) -> None:
    result = paired.paired(np.array(differences), rounding=1e-6)
    assert float(result.estimate) == pytest.approx(differences[0], abs=1e-6)
    assert (float(result.p), np.isnan([result.low, result.high]).all()) == (1, True)


def test_what_differs_by_more_than_rounding_is_told() -> None:
    assert paired.paired(np.array([0.0100001, 0.01, 0.0099999]), rounding=1e-8).p < 0.001


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired.paired(np.array([1.0, value, 1.1]))


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
