"""Intervals hold as often as they say, with few photographs, too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stages.evaluate import intervals

SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]  # Student 1908: hours that two drugs differ by


def test_the_interval_of_students_own_data_is_the_known_one() -> None:
    found = intervals.student(np.array(SLEEP))
    assert found == {"mean": pytest.approx(1.58), "low": pytest.approx(0.7001142), "high": pytest.approx(2.4598858)}


@pytest.mark.parametrize("photographs", [3, 10])
def test_95_of_100_intervals_hold_the_truth(photographs: int) -> None:
    rng = np.random.default_rng(photographs)
    samples = 30 + 4 * rng.standard_normal((4000, photographs))  # dB: photographs differ by more than their patches
    patches = rng.integers(20, 400, samples.shape)
    samples += 3 * rng.standard_normal(samples.shape) / np.sqrt(patches)
    found = pd.DataFrame(map(intervals.student, samples))
    assert 0.93 <= np.mean((found["low"] <= 30) & (found["high"] >= 30)) <= 0.97
    assert np.mean(found["low"] > 30) == pytest.approx(np.mean(found["high"] < 30), abs=0.01)


def test_photographs_count_alike_and_those_without_a_value_not_at_all() -> None:
    table = pd.DataFrame({"psnr": [30.0, np.nan, 34.0], "ssim": [0.9, 1.0, np.nan], "patches": [1, 500, 20]})
    found = intervals.of_means(table)
    reach = 2 * 12.7062047  # the standard error times Student's t for one degree of freedom
    assert found["psnr"] == {"mean": 32, "low": pytest.approx(32 - reach), "high": pytest.approx(32 + reach)}
    assert found["ssim"] == intervals.student(np.array([0.9, 1.0]))


def test_a_single_photograph_tells_nothing_of_others() -> None:
    assert intervals.student(np.array([30.0])) is intervals.student(np.array([np.nan, 30.0])) is None
