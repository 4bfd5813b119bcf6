"""Reads patches chunk by chunk, as fractions. Chunk size affects only the noise samples.

All raise `ArtifactError` where patches are missing or damaged.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from grayscale.core.levels import to_unit
from stages.formats.patches import PatchSet

# In a chunk: 1,337 patches of 28 × 28, whose colour in float64, and again its noise, takes 25 MB. A chunk is also a
# shard of an evaluation: a network takes seconds for it, and a kill loses no more.
PIXELS = 1 << 20


def spans(patches: int, side: int) -> list[tuple[int, int]]:
    """Where each chunk of `patches` patches of `side` × `side` pixels starts and stops."""
    step = max(1, PIXELS // side**2)
    return [(start, min(start + step, patches)) for start in range(0, patches, step)]


def pairs(split: PatchSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The `pair` of each chunk of a patch set."""
    return (pair(split, np.arange(*span)) for span in spans(len(split), split.patch))


def grays(split: PatchSet) -> Iterator[np.ndarray]:
    """The gray alone, `(n, side, side)` in [0, 1], of each chunk of a patch set."""
    return (_gray(split, np.arange(*span)) for span in spans(len(split), split.patch))


def pair(split: PatchSet, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour `(n, side, side, 3)` and gray `(n, side, side)`, in [0, 1], of some patches."""
    return to_unit(split.read("colour", numbers)), _gray(split, numbers)


def _gray(split: PatchSet, numbers: np.ndarray) -> np.ndarray:
    return to_unit(split.read("gray", numbers))[..., 0]


@lru_cache(maxsize=1)  # so that the one before is closed
def opened(folder: Path) -> PatchSet:
    """The patch set in `folder`, opened once for all chunks of a process: opening it checks its shards."""
    return PatchSet(folder)
