"""What needs no autoencoder: closed forms, a fitted 1 × 1 convolution, and PCA at an autoencoder's latent size.

Images are float64 in [0, 1]; outputs are unrounded, as those of networks, and clipped to [0, 1] later.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from grayscale.conversions import BT601
from stages.evaluate.moments import Moments, of_all

WEIGHT_DECIMALS = 9  # of a fitted weight: the digits after them depend on the processor
NO_VARIANCE = 1e-12  # of the largest: what is below is rounding

Closed = Callable[[np.ndarray], np.ndarray]  # colour (n, height, width, 3) → gray (n, height, width)


def luma(colour: np.ndarray) -> np.ndarray:
    """BT.601 luma: colour `(n, height, width, 3)` → gray `(n, height, width)`."""
    return _weighted(colour, BT601)


def mean_rgb(colour: np.ndarray) -> np.ndarray:
    """(R + G + B) / 3."""
    return colour.mean(axis=3)


def green(colour: np.ndarray) -> np.ndarray:
    """The green channel alone."""
    return colour[..., 1]


CLOSED_FORMS: dict[str, Closed] = {"luma": luma, "mean_rgb": mean_rgb, "green": green}


def fit_conv1x1(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """A learned 1 × 1 convolution with bias: the least-squares optimum on training patches.

    Args:
        pairs: training patches chunk by chunk, colour `(n, height, width, 3)` and their targets `(n, height, width)`.

    Returns:
        The weights of red, green and blue, and the bias: `(4,)`.
    """
    normal, moment = np.zeros((4, 4)), np.zeros(4)  # of the normal equations
    for colour, gray in pairs:
        design = np.hstack([colour.reshape(-1, 3), np.ones((colour.size // 3, 1))])
        normal += design.T @ design
        moment += design.T @ gray.reshape(-1)
    return np.linalg.solve(normal, moment).round(WEIGHT_DECIMALS)


def conv1x1(colour: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Colour `(n, height, width, 3)` → gray `(n, height, width)` by the weights of `fit_conv1x1`."""
    *channels, bias = weights
    return _weighted(colour, channels) + bias


def _weighted(colour: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The weighted sum of the channels, in a fixed order: that of a matrix product depends on the processor."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    return weights[0] * red + weights[1] * green + weights[2] * blue


def fit_pca(gray: Iterable[np.ndarray], patches: int, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of gray training patches: the best linear code of its size (Eckart and Young 1936).

    Memory holds a square matrix of a patch's pixels, or, where they are fewer than its pixels, all patches.

    Args:
        gray: training patches chunk by chunk, `(n, height, width)`.
        patches: how many they are.
        components: numbers per patch; as many as pixels, or as training patches, are the most there can be.

    Returns:
        The mean `(pixels,)` and the directions of largest variance `(pixels, components)`, orthonormal; directions in
        which the training patches don't vary are left out.
    """
    rows = (chunk.reshape(len(chunk), -1) for chunk in gray)
    first = next(rows)
    if patches > first.shape[1]:
        moments = of_all(map(Moments.of, itertools.chain([first], rows)))
        mean, (variances, directions) = moments.mean, np.linalg.eigh(moments.scatter)
        variances, directions = variances[::-1], directions[:, ::-1]
    else:
        every = np.concatenate([first, *rows])
        mean = every.mean(axis=0)
        _, deviations, across = np.linalg.svd(every - mean, full_matrices=False)
        variances, directions = np.square(deviations), across.T
    kept = min(components, int((variances > NO_VARIANCE * variances[0]).sum()))
    return mean, directions[:, :kept]


def pca(images: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Gray `(n, height, width)` → the same through the code of `fit_pca`; at as many numbers as pixels the identity."""
    rows = images.reshape(len(images), -1) - mean
    return (rows @ directions @ directions.T + mean).reshape(images.shape)
