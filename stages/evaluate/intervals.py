"""Bootstrap confidence intervals of mean scores, over photographs and over the patches of each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.evaluate.measures import HEADLINE

CONFIDENCE = 95.0  # percent
# Draws at a time: memory, not time, is bounded by them. The first also decides which numbers are drawn for what.
PHOTOGRAPHS_AT_ONCE = 1 << 20
PATCHES_AT_ONCE = 1 << 20


def of_means(tables: Mapping[str, pd.DataFrame], resamples: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """The 95 % percentile intervals, `low` and `high`, of each method's mean headline measures.

    Args:
        tables: by method, a row per patch: photo, and each headline measure; of the same patches in one order.
        resamples: of the bootstrap.
        seed: of the resamples; all methods of a test split are resampled alike.
    """
    photos = next(iter(tables.values()))["photo"].to_numpy()
    values = np.concatenate([table[list(HEADLINE)].to_numpy() for table in tables.values()], axis=1)
    means = bootstrap_means(photos, values, resamples, seed)
    tail = (100 - CONFIDENCE) / 2
    ends = np.percentile(means, [tail, 100 - tail], axis=0).T.reshape(len(tables), len(HEADLINE), 2).tolist()
    return {
        method: {name: {"low": low, "high": high} for name, (low, high) in zip(HEADLINE, found, strict=True)}
        for method, found in zip(tables, ends, strict=True)
    }


def bootstrap_means(photos: np.ndarray, values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means over all patches of hierarchical resamples, `(resamples, measures)`.

    Patches of one photograph are alike, so photographs are drawn with replacement first, and then as many patches as it
    has, with replacement, from each drawn photograph: Davison and Hinkley 1997, Bootstrap Methods and their
    Application, section 3.8. Few photographs understate the uncertainty; a single one shows that of its patches only.

    Args:
        photos: `(n,)` the photograph of each patch.
        values: `(n, measures)` the scores of each patch.
        resamples: how many.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    _, mine, sizes = np.unique(photos, return_inverse=True, return_counts=True)
    values = values[np.argsort(mine, kind="stable")]  # photograph by photograph
    starts = np.cumsum(sizes) - sizes
    step = max(1, PHOTOGRAPHS_AT_ONCE // len(sizes))
    means = np.empty((resamples, values.shape[1]))
    for first in range(0, resamples, step):
        drawn = generator.integers(len(sizes), size=(min(step, resamples - first), len(sizes)))
        means[first : first + step] = _sums(drawn, values, starts, sizes, generator) / sizes[drawn].sum(axis=1)[:, None]
    return means


def _sums(
    drawn: np.ndarray, values: np.ndarray, starts: np.ndarray, sizes: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Sums `(resamples, measures)` over patches drawn from the photographs `drawn` `(resamples, photographs)`.

    Args:
        values: `(n, measures)`, photograph by photograph.
        starts: `(photographs,)` where each begins in `values`.
        sizes: `(photographs,)` how many patches it has.
    """
    places = np.argsort(drawn, axis=None, kind="stable")  # all draws of the first photograph, of the second, …
    photos = drawn.reshape(-1)[places]
    ends = np.cumsum(sizes[photos])
    sums = np.empty((drawn.size, values.shape[1]))
    start = 0
    while start < len(places):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PATCHES_AT_ONCE, side="right")))
        counts = sizes[photos[start:stop]]
        picks = generator.integers(counts.repeat(counts)) + starts[photos[start:stop]].repeat(counts)
        sums[places[start:stop]] = np.add.reduceat(values[picks], ends[start:stop] - counts - done)
        start = stop
    return sums.reshape(*drawn.shape, -1).sum(axis=1)
