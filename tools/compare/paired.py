"""Is the difference between two revisions' scores more than chance? Paired intervals, and verdicts on many at once.

Values in, values out: nothing here knows of files, revisions or methods. What is drawn at random are photographs, not
patches: those of one photograph are alike, and so are their differences.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

ERROR = 0.05  # chance that a comparison without any true difference still gives a verdict


@dataclass(frozen=True)
class Paired:
    """Mean differences over photographs, each an array of one shape, `(...)`."""

    photographs: int
    estimate: np.ndarray
    low: np.ndarray  # of the 95 % interval; NaN where the spread over photographs is unknown
    high: np.ndarray
    p: np.ndarray  # two-sided, of no difference; 1 where the interval is NaN


def paired(differences: np.ndarray, rounding: float = 0.0) -> Paired:
    """Estimate, 95 % interval and p of the mean of finite differences `(..., photographs)`, new − old.

    The interval is that of Student's paired t-test, which is the bootstrap over photographs corrected for few of them
    (Hesterberg 2015, What Teachers Should Know About the Bootstrap, sections 3.2 and 4.5).
    Percentiles of resamples would not do: three photographs that differ alike by chance, one time in four, have only
    resamples on one side of 0. Nor would a mean over patches: where one photograph has most of them, its standard error
    from a few photographs is far too small. Hence each photograph counts alike.

    A single photograph tells nothing of others, nor do photographs that all differ alike, to within the `rounding` of a
    mean: two that gain one step each do so by chance every other time, and Student's ratio would be infinite.

    Raises:
        ValueError: a difference is not finite.
    """
    if not np.isfinite(differences).all():
        raise ValueError("differences must be finite")
    count = differences.shape[-1]
    estimate = differences.mean(axis=-1)
    spread = differences.std(axis=-1, ddof=1) if count > 1 else np.zeros_like(estimate)
    error = np.where(spread > rounding, spread / np.sqrt(count), np.nan)
    reach = stats.t.ppf(1 - ERROR / 2, count - 1) * error
    p = 2 * stats.t.sf(np.abs(estimate) / error, count - 1)
    return Paired(count, estimate, estimate - reach, estimate + reach, np.where(np.isnan(error), 1.0, p))


def differ(p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which of many differences, `(m,)` p, are told from chance: `(m,)` bool.

    Holm's step-down procedure with weights `(m,)` (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure,
    Scandinavian Journal of Statistics 6, section 4): however the m measures are correlated, the chance that any of
    those without a true difference is among them is at most `ERROR`.
    """
    order = np.argsort(p / weights, kind="stable")
    left = np.cumsum(weights[order][::-1])[::-1]  # of this one and of all that come after it
    passed = p[order] <= ERROR * weights[order] / left
    found = np.empty_like(passed)
    found[order] = np.logical_and.accumulate(passed)
    return found
