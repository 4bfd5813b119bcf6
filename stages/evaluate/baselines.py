"""What needs no autoencoder: closed forms, a fitted 1 × 1 convolution; PCA and DCT at an autoencoder's latent size.

Images are float64 in [0, 1]; outputs are clipped to [0, 1] and rounded later, as those of networks.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.fft import dctn, idctn

from grayscale.conversions import BT601
from stages.evaluate.moments import Moments

WEIGHT_DECIMALS = 9  # of a fitted weight: the digits after them depend on the processor
NO_VARIANCE = 1e-12  # of the largest: what is below is rounding
SAME_VARIANCE = 10  # decimals of the same ratio; after them variances count as equal

Closed = Callable[[np.ndarray], np.ndarray]  # images (n, height, width, …) → gray (n, height, width)


def luma(colour: np.ndarray) -> np.ndarray:
    """BT.601 luma: colour `(n, height, width, 3)` → gray `(n, height, width)`."""
    return _weighted(colour, BT601)


def mean_rgb(colour: np.ndarray) -> np.ndarray:
    """(R + G + B) / 3: colour `(n, height, width, 3)` → gray `(n, height, width)`."""
    return colour.mean(axis=3)


def green(colour: np.ndarray) -> np.ndarray:
    """The green channel alone: colour `(n, height, width, 3)` → gray `(n, height, width)`."""
    return colour[..., 1]


CLOSED_FORMS: dict[str, Closed] = {"luma": luma, "mean_rgb": mean_rgb, "green": green}


def fit_conv1x1(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """A learned 1 × 1 convolution with bias, by least squares: weights of red, green, blue, and the bias, `(4,)`.

    `pairs` are training patches chunk by chunk, colour `(n, height, width, 3)` and their targets `(n, height, width)`.
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


# === Codes of the gray image itself ===


def codes(size: int, fitted: tuple[np.ndarray, np.ndarray]) -> dict[str, Closed]:
    """The linear codes of `size` numbers that a network of that size must beat: by name, functions gray → gray.

    At as many numbers as pixels all of them are the identity, and no yardstick. `fitted` is what `fit_pca` gave.
    """
    return {
        f"pca_{size}": lambda gray: pca(gray, *fitted),
        f"dct_{size}": lambda gray: dct(gray, size),
        f"dct_radial_{size}": lambda gray: dct(gray, size, radial=True),
    }


def dct(images: np.ndarray, size: int, *, radial: bool = False) -> np.ndarray:
    """Gray `(n, side, side)` → the same from its `size` lowest coefficients of the orthonormal two-dimensional DCT-II.

    Lowest are those of least u + v, as in JPEG's zigzag, or, if `radial`, of least √(u² + v²); of equal ones those of
    least u.
    """
    u, v = np.indices(images.shape[1:])
    order = np.argsort(u * u + v * v if radial else u + v, axis=None, kind="stable")
    spectra = dctn(images, norm="ortho", axes=(1, 2)).reshape(len(images), -1)
    spectra[:, order[size:]] = 0
    return np.asarray(idctn(spectra.reshape(images.shape), norm="ortho", axes=(1, 2)))


def fit_pca(gray: Iterable[np.ndarray], patches: int, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of training patches in all eight flips and turns: the best linear code (Eckart, Young 1936).

    Mean and scatter are exactly those of the eight copies. These are closed under flipping, so that images which are
    even from top to bottom and those which are odd vary independently, and each half has components of its own. An odd
    component is often an even one turned by 90 degrees, of the same variance: then the even one comes first, so that
    no rounding chooses between them.

    Memory holds two square matrices of half a patch's pixels, or, where they are fewer than its pixels, all copies.

    `gray` are so many `patches` chunk by chunk, `(n, side, side)`, of even side. Returns the mean `(pixels,)` and the
    directions of largest variance `(pixels, components)`, orthonormal; those in which patches don't vary are left out.
    """
    halves = map(_even_and_odd, gray)
    first = next(halves)
    chunks = itertools.chain([first], halves)
    if 4 * patches > first.shape[2]:
        even, odd = functools.reduce(
            lambda done, new: [one + other for one, other in zip(done, new, strict=True)],
            ([Moments.of(rows) for rows in chunk] for chunk in chunks),
        )
        mean, about_zero = even.mean, odd.scatter + odd.count * np.outer(odd.mean, odd.mean)
        solved = [tuple(np.linalg.eigh(scatter)) for scatter in (even.scatter, about_zero)]
    else:
        evens, odds = np.concatenate(list(chunks), axis=1)
        mean = evens.mean(axis=0)
        factors = [np.linalg.svd(rows, full_matrices=False) for rows in (evens - mean, odds)]
        solved = [(np.square(lengths[::-1]), across[::-1].T) for _, lengths, across in factors]
    variances = np.concatenate([found[::-1] for found, _ in solved])
    directions = np.hstack([_unfolded(found[:, ::-1], sign) for (_, found), sign in zip(solved, (1, -1), strict=True)])
    relative = variances / variances.max()
    order = np.argsort(-relative.round(SAME_VARIANCE), kind="stable")
    order = order[relative[order] > NO_VARIANCE]
    return _unfolded(mean[:, None], 1)[:, 0], directions[:, order[:components]]


def _even_and_odd(images: np.ndarray) -> np.ndarray:
    """The parts that are even and odd from top to bottom, `(2, 4 n, pixels / 2)`, of `(n, side, side)` in four copies.

    The other four copies, upside down, have the same even parts, and the odd parts with the opposite sign.
    """
    turned = np.concatenate([images, images.transpose(0, 2, 1)])
    upper, lower = np.split(np.concatenate([turned, turned[:, :, ::-1]]), 2, axis=1)
    lower = lower[:, ::-1]
    return np.stack([upper + lower, upper - lower]).reshape(2, len(upper), -1) / np.sqrt(2)


def _unfolded(halves: np.ndarray, sign: int) -> np.ndarray:
    """Columns `(pixels / 2, n)`, upper halves of even (`sign` 1) or odd (−1) images → those images, `(pixels, n)`."""
    side = math.isqrt(2 * len(halves))
    upper = halves.reshape(side // 2, side, -1) / np.sqrt(2)
    return np.concatenate([upper, sign * upper[::-1]]).reshape(side * side, -1)


def pca(images: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Gray `(n, side, side)` → the same through the code of `fit_pca`."""
    rows = images.reshape(len(images), -1) - mean
    return (rows @ directions @ directions.T + mean).reshape(images.shape)
