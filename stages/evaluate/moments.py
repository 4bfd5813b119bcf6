"""Mean and scatter of rows in chunks, more accurate than sums of squares."""

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of rows of `k` numbers."""

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
