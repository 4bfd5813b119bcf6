"""Reads patches in chunks, as fractions, and sums up rows of numbers that come in chunks.

The chunk size affects only the noise samples. `ArtifactError` if patches are missing or damaged.
"""

import functools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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


def pair(split: PatchSet, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour `(n, side, side, 3)` and gray `(n, side, side)` in [0, 1] of the patches `numbers`."""
    return to_unit(split.read("colour", numbers)), to_unit(split.read("gray", numbers))[..., 0]


@functools.lru_cache(maxsize=1)  # closes the previous one
def opened(folder: Path) -> PatchSet:
    """The patch set in `folder`, opened and checked once in a process."""
    return PatchSet(folder)


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of rows of `k` numbers; more accurate than sums of squares."""

    count: int
    mean: np.ndarray  # (k,)
    scatter: np.ndarray  # (k, k) sums of products of deviations from the mean: covariance · count

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """Moments of rows `(n, k)`, n ≥ 1."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def __add__(self, other: "Moments") -> "Moments":
        """Moments of the rows of both: Chan, Golub and LeVeque 1983 (The American Statistician 37:3), equation 2.1."""
        count = self.count + other.count
        shift = other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * (other.count / count),
            self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count),
        )


def of_all(parts: Iterable[Moments]) -> Moments:
    """Moments of the rows of all parts, at least one, added in order."""
    return functools.reduce(operator.add, parts)
