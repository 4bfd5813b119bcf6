"""Reads patches chunk by chunk, as fractions. Chunk size affects only the noise samples."""

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
    """Colour `(n, side, side, 3)` and gray `(n, side, side)`, in [0, 1], of each chunk of a patch set.

    Raises:
        ArtifactError: a shard is missing or damaged.
    """
    for start, stop in spans(len(split), split.patch):
        yield pair(split, np.arange(start, stop))


def grays(split: PatchSet) -> Iterator[np.ndarray]:
    """The gray alone, `(n, side, side)` in [0, 1], of each chunk of a patch set.

    Raises:
        ArtifactError: a shard is missing or damaged.
    """
    for start, stop in spans(len(split), split.patch):
        yield to_unit(split.read("gray", np.arange(start, stop)))[..., 0]


def pair(split: PatchSet, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour `(n, side, side, 3)` and gray `(n, side, side)`, in [0, 1], of some patches.

    Raises:
        ArtifactError: a shard is missing or damaged.
    """
    return to_unit(split.read("colour", numbers)), to_unit(split.read("gray", numbers))[..., 0]


@lru_cache(maxsize=1)  # so that the one before is closed
def opened(folder: Path) -> PatchSet:
    """The patch set in `folder`, opened once for all chunks of a process: opening it checks its shards.

    Raises:
        ArtifactError: there is no patch set.
    """
    return PatchSet(folder)
