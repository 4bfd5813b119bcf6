"""Verdicts on many differences at once: rarely any where there is none, and most where they are as large as claimed."""

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
    return np.array([paired.differ(p, WEIGHTS) for p in paired.paired(means).p])


@pytest.mark.parametrize(("patches", "spread"), [(FEW, 0.0), (FEW, 3.0), (MANY, 0.3)])
def test_where_nothing_differs_95_of_100_comparisons_give_no_verdict_at_all(patches: list[int], spread: float) -> None:
    assert found(*simulated(patches, spread, np.zeros(12))).any(axis=1).mean() <= 0.05


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


@pytest.mark.parametrize("differences", [[7.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.0100001, 0.01, 0.0099999]])
def test_a_single_photograph_or_some_that_differ_alike_tell_nothing_of_others(differences: list[float]) -> None:
    result = paired.paired(np.array(differences), rounding=1e-6)
    assert float(result.estimate) == pytest.approx(differences[0], abs=1e-6)
    assert (float(result.p), np.isnan([result.low, result.high]).all()) == (1, True)


def test_what_differs_by_more_than_rounding_is_told_and_what_is_no_number_refused() -> None:
    assert paired.paired(np.array([0.0100001, 0.01, 0.0099999]), rounding=1e-8).p < 0.001
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            paired.paired(np.array([1.0, value, 1.1]))


@pytest.mark.parametrize(
    ("p", "weights", "told"),
    [
        ([0.010, 0.030, 0.016, 0.040], [1, 1, 1, 1], [True, False, True, False]),  # against 0.05 / 4, / 3, / 2, / 1
        ([0.026, 0.001], [1, 1], [True, True]),
        ([0.030, 0.026], [1, 1], [False, False]),
        ([0.039, 0.049], [0.8, 0.2], [True, True]),  # a heavier weight asks for less
        ([0.041, 0.011], [0.8, 0.2], [False, False]),
        ([0.049, 0.009], [0.8, 0.2], [True, True]),  # and hands on what it does not need
    ],
)
def test_holm_by_hand(p: list[float], weights: list[float], told: list[bool]) -> None:
    assert paired.differ(np.array(p), np.array(weights)).tolist() == told
