"""Mean and scatter of rows that come chunk by chunk, without the digits that sums of squares would lose."""

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Moments:
    """What is known of rows of `k` numbers each."""

    count: int  # of rows
    mean: np.ndarray  # (k,)
    scatter: np.ndarray  # (k, k) sums of products of deviations from the mean; divided by `count` the covariance

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """Of rows `(n, k)`, at least one."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def __add__(self, other: "Moments") -> "Moments":
        """Of the rows of both: Chan, Golub and LeVeque 1983 (The American Statistician 37:3), equation 2.1."""
        count = self.count + other.count
        shift = other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * (other.count / count),
            self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count),
        )


def of_all(parts: Iterable[Moments]) -> Moments:
    """Of the rows of all parts, added in their order; there is at least one."""
    return functools.reduce(operator.add, parts)
