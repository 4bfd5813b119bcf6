"""Image-quality measures of batches of gray planes `(n, height, width)` in [0, 1]: `(n,)` float64, one per image.

Callers clip and round outputs to 8 bits, see `scores.planes`. To add a measure to all tables and pages, add a function
and a line in `MEASURES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

K1, K2 = 0.01, 0.03
SIGMA = 1.5  # pixels
RADIUS = 5  # pixels: an 11 × 11 window
SPAN = 64  # windows of SSIM in a row at once; a blur is two matrix products, whose cost per pixel grows with it
PIXELS_AT_ONCE = 1 << 16  # SSIM holds about ten arrays of this size, which fit into the processor's cache


def mse(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean squared error, in squared units of full scale."""
    return np.square(targets - outputs).mean(axis=(1, 2))


def mae(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean absolute error, in units of full scale."""
    return np.abs(targets - outputs).mean(axis=(1, 2))


def psnr(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio, in dB for a peak of 1; NaN for identical images."""
    return decibels(mse(targets, outputs))


def decibels(error: np.ndarray) -> np.ndarray:
    """Mean squared error → PSNR in dB for a peak of 1; NaN for no error."""
    return -10 * np.log10(np.where(error == 0, np.nan, error))


def exact(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Share of equal pixels, in [0, 1]."""
    return (targets == outputs).mean(axis=(1, 2))


def ssim(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean structural similarity, in [−1, 1]; `ValueError` if the images are smaller than one window.

    Wang, Bovik, Sheikh and Simoncelli 2004 (IEEE TIP 13:4), equation 13 with their settings: Gaussian window of 11 × 11
    and σ = 1.5, population covariance, K1 = 0.01, K2 = 0.03, only windows inside the image.
    """
    if min(targets.shape[1:]) < 2 * RADIUS + 1:
        raise ValueError(f"SSIM needs images of at least {2 * RADIUS + 1} pixels a side, these are {targets.shape[1:]}")

    height, width = targets.shape[1:]
    sums = np.zeros(len(targets))
    for rows in _spans(height):
        for columns in _spans(width):
            step = max(1, PIXELS_AT_ONCE // ((rows.stop - rows.start) * (columns.stop - columns.start)))
            for start in range(0, len(targets), step):
                part = slice(start, start + step), rows, columns
                sums[part[0]] += _similarity(targets[part], outputs[part]).sum(axis=(1, 2))
    return sums / ((height - 2 * RADIUS) * (width - 2 * RADIUS))


def _spans(side: int) -> list[slice]:
    """Slices of `side` pixels such that each window of SSIM is in one slice."""
    windows = side - 2 * RADIUS
    return [slice(start, min(start + SPAN, windows) + 2 * RADIUS) for start in range(0, windows, SPAN)]


def _similarity(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """SSIM in each window, `(n, height − 10, width − 10)`."""
    rows, columns = (_window(side) for side in targets.shape[1:])

    def blur(images: np.ndarray) -> np.ndarray:
        return np.matmul(rows, images @ columns.T)

    mu_x, mu_y = blur(targets), blur(outputs)
    mu_xx, mu_yy, mu_xy = mu_x * mu_x, mu_y * mu_y, mu_x * mu_y
    var_x = blur(targets * targets) - mu_xx
    var_y = blur(outputs * outputs) - mu_yy
    covariance = blur(targets * outputs) - mu_xy
    c1, c2 = K1**2, K2**2  # dynamic range 1
    return ((2 * mu_xy + c1) * (2 * covariance + c2)) / ((mu_xx + mu_yy + c1) * (var_x + var_y + c2))


@cache
def _window(side: int) -> np.ndarray:
    """The Gaussian window at every position inside the image, `(side − 10, side)`."""
    distance = np.arange(side)[None] - np.arange(side - 2 * RADIUS)[:, None] - RADIUS
    weights = np.where(np.abs(distance) <= RADIUS, np.exp(-(distance**2) / (2 * SIGMA**2)), 0)
    return weights / weights.sum(axis=1, keepdims=True)


def total_variation(images: np.ndarray) -> np.ndarray:
    """Mean absolute difference between neighbours, horizontal and vertical, in units of full scale.

    This is the anisotropic total variation (Rudin, Osher and Fatemi 1992, Physica D 60) per pixel.
    """
    across = np.abs(np.diff(images, axis=2)).mean(axis=(1, 2))
    down = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2))
    return (across + down) / 2


def chroma(colour: np.ndarray) -> np.ndarray:
    """Mean chroma C*ab = √(a*² + b*²) in CIELAB (CIE 15:2004, D65) of sRGB `(n, height, width, 3)` in [0, 1]."""
    from skimage.color import rgb2lab

    lab = rgb2lab(colour)
    return np.hypot(lab[..., 1], lab[..., 2]).mean(axis=(1, 2))


@dataclass(frozen=True)
class Measure:
    """A measure of every method and patch."""

    of: Callable[[np.ndarray, np.ndarray], np.ndarray]  # targets and outputs `(n, height, width)` in [0, 1] → `(n,)`
    title: str  # of its column, with its unit
    decimals: int | None = None  # kept and shown; None: three significant digits are shown
    more_is_better: bool = True
    headline: bool = False  # a DVC metric, with a 95 % interval
    after: Callable[[np.ndarray], np.ndarray] = lambda values: values  # applied to the mean over channels, `(n,)`


MEASURES = {
    "psnr": Measure(mse, "PSNR dB", decimals=3, headline=True, after=decibels),  # of the channels' mean squared error
    "ssim": Measure(ssim, "SSIM", decimals=5, headline=True),
    "mse": Measure(mse, "MSE", more_is_better=False),
    "mae": Measure(mae, "MAE", more_is_better=False),
    "exact": Measure(exact, "exact pixels", decimals=4),
}
HEADLINE = tuple(name for name, measure in MEASURES.items() if measure.headline)
