"""Student's confidence intervals of mean scores, over photographs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from stages.evaluate.measures import HEADLINE

CONFIDENCE = 0.95


def of_means(photographs: pd.DataFrame) -> dict[str, dict[str, float] | None]:
    """The interval of each headline measure; `photographs` has a row per photograph, see `scores.by_photograph`."""
    return {name: student(photographs[name].to_numpy()) for name in HEADLINE}


def student(values: np.ndarray) -> dict[str, float] | None:
    """`mean`, and the ends `low` and `high` of its 95 % interval: mean ± t · s / √n, n − 1 degrees of freedom.

    Student 1908 (Biometrika 6:1). Patches of one photograph are alike, so photographs, or scenes, are what is drawn at
    random, and each counts alike. Percentiles of resamples hold 75 %, not 95 % of the time with three photographs.

    Args:
        values: `(n,)` a mean score, or difference of scores, of each photograph; NaN is left out.

    Returns:
        None if fewer than two values are left: they tell nothing of others.
    """
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return None
    mean = values.mean()
    reach = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return {"mean": float(mean), "low": float(mean - reach), "high": float(mean + reach)}
