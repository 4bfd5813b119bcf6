"""Reads patches in chunks, as fractions. The chunk size affects only the noise samples.

All functions raise `ArtifactError` if patches are missing or damaged.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from grayscale.core.levels import to_unit
from stages.formats.patches import PatchSet

PIXELS = 1 << 20  # in a chunk: 25 MB of colour in float64. A chunk is also a shard, a few seconds of a network's work


def spans(patches: int, side: int) -> list[tuple[int, int]]:
    """Start and stop of each chunk of `patches` patches of `side` × `side` pixels."""
    step = max(1, PIXELS // side**2)
    return [(start, min(start + step, patches)) for start in range(0, patches, step)]


def pairs(split: PatchSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`pair` of each chunk of a patch set."""
    return (pair(split, np.arange(*span)) for span in spans(len(split), split.patch))


def grays(split: PatchSet) -> Iterator[np.ndarray]:
    """Gray `(n, side, side)` in [0, 1] of each chunk of a patch set."""
    return (_gray(split, np.arange(*span)) for span in spans(len(split), split.patch))


def pair(split: PatchSet, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour `(n, side, side, 3)` and gray `(n, side, side)` in [0, 1] of the patches `numbers`."""
    return to_unit(split.read("colour", numbers)), _gray(split, numbers)


def _gray(split: PatchSet, numbers: np.ndarray) -> np.ndarray:
    return to_unit(split.read("gray", numbers))[..., 0]


@lru_cache(maxsize=1)  # closes the previous one
def opened(folder: Path) -> PatchSet:
    """The patch set in `folder`, opened and checked once in a process."""
    return PatchSet(folder)
