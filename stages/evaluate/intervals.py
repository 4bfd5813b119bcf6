"""How far mean scores may be off because other photographs could have been drawn: bootstrap confidence intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONFIDENCE = 95.0  # percent
MEASURES = ("psnr", "ssim")


def of_means(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """The 95 % percentile interval, `low` and `high`, of one method's mean psnr (dB) and mean ssim.

    Args:
        table: a row per patch: photo, psnr, ssim.
        resamples: of the bootstrap.
        seed: of the resamples; all methods of a test split are resampled alike.
    """
    means = bootstrap_means(table["photo"].to_numpy(), table[list(MEASURES)].to_numpy(), resamples, seed)
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return {name: {"low": float(low[column]), "high": float(high[column])} for column, name in enumerate(MEASURES)}


def bootstrap_means(photos: np.ndarray, values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means over all patches of hierarchical resamples, `(resamples, measures)`.

    Patches of one photograph are alike, so photographs are drawn with replacement first, and then as many patches as it
    has, with replacement, from each drawn photograph: Davison and Hinkley 1997, Bootstrap Methods and their
    Application, section 3.8. With a handful of photographs the intervals are too narrow, with a single one they tell of
    its patches only.

    Args:
        photos: `(n,)` the photograph of each patch.
        values: `(n, measures)` the scores of each patch.
        resamples: how many.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    names = np.unique(photos)
    drawn = generator.integers(len(names), size=(resamples, len(names)))
    sums = np.empty((*drawn.shape, values.shape[1]))
    patches = np.empty(drawn.shape, dtype=np.int64)
    for number, name in enumerate(names):
        mine, places = values[photos == name], drawn == number
        picks = generator.integers(len(mine), size=(np.count_nonzero(places), len(mine)))
        sums[places] = np.stack([column[picks].sum(axis=1) for column in mine.T], axis=1)
        patches[places] = len(mine)
    return sums.sum(axis=1) / patches.sum(axis=1)[:, None]
