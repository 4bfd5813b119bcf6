"""Methods without a network: closed forms, a fitted 1 × 1 convolution, PCA and DCT codes, denoising filters.

Images are float64 in [0, 1]. Callers clip and round the outputs.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.fft import dctn, idctn

from grayscale.conversions import BT601
from stages.evaluate.chunks import Moments

WEIGHT_DECIMALS = 9  # of a fitted weight: the digits after them depend on the processor
NO_VARIANCE = 1e-12  # relative to the largest variance; below this is rounding
SAME_VARIANCE = 10  # decimals of that ratio that are compared
BLOCK = 8  # pixels on a side of a block of the sliding DCT
THRESHOLD = 2.7  # of a DCT coefficient, in standard deviations of the noise

Closed = Callable[[np.ndarray], np.ndarray]  # colour (n, height, width, 3) → gray (n, height, width)
# Colour (n, side, side, 3) and gray (n, side, side) in [0, 1] → (n, side, side) or (n, side, side, 3), not yet clipped.
# PCA, DCT and networks that see gray use the second argument.
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
Filter = Callable[[np.ndarray, float], np.ndarray]  # gray (height, width) and σ → gray (height, width)


# === Conversions: colour (n, height, width, 3) → gray (n, height, width) ===


def luma(colour: np.ndarray) -> np.ndarray:
    """BT.601 luma."""
    return _weighted(colour, BT601)


def mean_rgb(colour: np.ndarray) -> np.ndarray:
    """(R + G + B) / 3."""
    return colour.mean(axis=3)


def green(colour: np.ndarray) -> np.ndarray:
    """The green channel."""
    return colour[..., 1]


CLOSED_FORMS: dict[str, Closed] = {"luma": luma, "mean_rgb": mean_rgb, "green": green}


def fit_conv1x1(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Fit a 1 × 1 convolution by least squares to chunks of colour and targets: `(4,)`, three weights and the bias."""
    normal, moment = np.zeros((4, 4)), np.zeros(4)  # of the normal equations
    for colour, gray in pairs:
        design = np.hstack([colour.reshape(-1, 3), np.ones((colour.size // 3, 1))])
        normal += design.T @ design
        moment += design.T @ gray.reshape(-1)
    return np.linalg.solve(normal, moment).round(WEIGHT_DECIMALS)


def conv1x1(colour: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Apply the weights of `fit_conv1x1`."""
    *channels, bias = weights
    return _weighted(colour, channels) + bias


def _weighted(colour: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Weighted sum of the channels in a fixed order; the order of a matrix product depends on the processor."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    return weights[0] * red + weights[1] * green + weights[2] * blue


# === Linear codes of the gray image ===


def codes(size: int, fitted: tuple[np.ndarray, np.ndarray]) -> dict[str, Method]:
    """Codes of `size` numbers, the yardsticks of a network with that latent size, by name; `fitted` by `fit_pca`."""
    return {
        f"pca_{size}": lambda _, gray: pca(gray, *fitted),
        f"dct_{size}": lambda _, gray: dct(gray, size),
        f"dct_radial_{size}": lambda _, gray: dct(gray, size, radial=True),
    }


def dct(images: np.ndarray, size: int, *, radial: bool = False) -> np.ndarray:
    """Gray `(n, side, side)` → the same from its `size` lowest coefficients of the orthonormal 2-D DCT-II.

    They are ordered by u + v, as in JPEG's zigzag, or by √(u² + v²) if `radial`, then by u.
    """
    u, v = np.indices(images.shape[1:])
    order = np.argsort(u * u + v * v if radial else u + v, axis=None, kind="stable")
    spectra = dctn(images, norm="ortho", axes=(1, 2)).reshape(len(images), -1)
    spectra[:, order[size:]] = 0
    return np.asarray(idctn(spectra.reshape(images.shape), norm="ortho", axes=(1, 2)))


def fit_pca(gray: Iterable[np.ndarray], patches: int, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of training patches in all eight flips and turns: the best linear code (Eckart, Young 1936).

    The copies are closed under flips, so parts that are even and odd from top to bottom vary independently, and each is
    solved by itself. An odd component is often an even one turned by 90 degrees, with the same variance. The even one
    then comes first, so that rounding does not decide the order. Memory holds two square matrices of half a patch's
    pixels, or all copies if these are fewer than the pixels.

    `gray` has so many `patches` in chunks `(n, side, side)` of even side. Returns the mean `(pixels,)` and orthonormal
    directions of largest variance `(pixels, components)`, fewer if patches do not vary in so many.
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
    """The even and odd parts from top to bottom, `(2, 4 n, pixels / 2)`, of `(n, side, side)` in four copies.

    The other four copies, upside down, have the same even parts and negated odd parts.
    """
    turned = np.concatenate([images, images.transpose(0, 2, 1)])
    upper, lower = np.split(np.concatenate([turned, turned[:, :, ::-1]]), 2, axis=1)
    lower = lower[:, ::-1]
    return np.stack([upper + lower, upper - lower]).reshape(2, len(upper), -1) / np.sqrt(2)


def _unfolded(halves: np.ndarray, sign: int) -> np.ndarray:
    """Upper halves `(pixels / 2, n)` of even (`sign` 1) or odd (−1) images → the images, `(pixels, n)`."""
    side = math.isqrt(2 * len(halves))
    upper = halves.reshape(side // 2, side, -1) / np.sqrt(2)
    return np.concatenate([upper, sign * upper[::-1]]).reshape(side * side, -1)


def pca(images: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Encode and decode gray `(n, side, side)` with what `fit_pca` returned."""
    rows = images.reshape(len(images), -1) - mean
    return (rows @ directions @ directions.T + mean).reshape(images.shape)


# === Classical filters, the yardsticks of denoising ===

# `sigma` is the true standard deviation of the noise in luma, which no user knows: these are the best cases.


def tv(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Total variation (Rudin, Osher and Fatemi 1992; Chambolle 2004, JMIV 20); the weight is σ."""
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(gray, weight=sigma))


def nl_means(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Non-local means (Buades, Coll and Morel 2005): 5 × 5 patches within 13 × 13 pixels, h = 0.8 σ."""
    from skimage.restoration import denoise_nl_means

    return np.asarray(
        denoise_nl_means(gray, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)
    )


def wavelet(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Soft shrinkage of Daubechies wavelets by BayesShrink (Chang, Yu and Vetterli 2000, IEEE Trans. Image Process. 9).

    It is averaged over 16 shifts (Coifman and Donoho 1995, Translation-invariant de-noising).
    """
    from skimage.restoration import cycle_spin, denoise_wavelet

    options = {"sigma": sigma, "wavelet": "db2", "rescale_sigma": True}
    return np.asarray(cycle_spin(gray, denoise_wavelet, max_shifts=3, func_kw=options, workers=1))


def sliding_dct(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Hard threshold of all overlapping 8 × 8 cosine transforms, averaged (Yu and Sapiro 2011, IPOL 1)."""
    height, width = gray.shape
    padded = np.pad(gray, BLOCK, mode="symmetric")
    sums, counts = np.zeros_like(padded), np.zeros_like(padded)
    for top in range(BLOCK):
        for left in range(BLOCK):
            rows, columns = ((size - start) // BLOCK for size, start in zip(padded.shape, (top, left), strict=True))
            inside = np.s_[top : top + rows * BLOCK, left : left + columns * BLOCK]
            blocks = padded[inside].reshape(rows, BLOCK, columns, BLOCK)
            spectra = dctn(blocks, axes=(1, 3), norm="ortho")
            kept = np.abs(spectra) > THRESHOLD * sigma
            kept[:, 0, :, 0] = True
            sums[inside] += idctn(spectra * kept, axes=(1, 3), norm="ortho").reshape(sums[inside].shape)
            counts[inside] += 1
    return (sums / counts)[BLOCK : BLOCK + height, BLOCK : BLOCK + width]


FILTERS: dict[str, Filter] = {"tv": tv, "nl_means": nl_means, "wavelet": wavelet, "sliding_dct": sliding_dct}
