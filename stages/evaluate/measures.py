"""Image-quality measures, vectorised over a batch: one number per image, float64.

Images are `(n, height, width)` in [0, 1]; outputs are clipped to [0, 1] by the caller. An image is one gray plane.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

PSNR_CAP = 100.0  # dB; identical images would be infinite
K1, K2 = 0.01, 0.03
SIGMA = 1.5  # pixels
RADIUS = 5  # pixels: an 11 × 11 window


def mse(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean squared error per image, `(n,)`, in squared units of full scale."""
    return np.square(targets - outputs).mean(axis=(1, 2))


def mae(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean absolute error per image, `(n,)`, in units of full scale."""
    return np.abs(targets - outputs).mean(axis=(1, 2))


def psnr(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio per image, `(n,)`, in dB for a peak of 1; identical images give `PSNR_CAP`."""
    return decibels(mse(targets, outputs))


def decibels(error: np.ndarray) -> np.ndarray:
    """Mean squared error, any shape, as PSNR in dB for a peak of 1, at most `PSNR_CAP`."""
    return -10 * np.log10(np.maximum(error, 10 ** (-PSNR_CAP / 10)))


def ssim(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Mean structural similarity per image, `(n,)`, in [−1, 1].

    Wang, Bovik, Sheikh and Simoncelli 2004 (IEEE TIP 13:4), equation 13 with their settings: Gaussian window of 11 × 11
    and σ = 1.5, population covariance, K1 = 0.01, K2 = 0.03, windows that lie wholly inside. It is scikit-image's
    `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)`.

    Raises:
        ValueError: the images are smaller than one window.
    """
    if min(targets.shape[1:]) < 2 * RADIUS + 1:
        raise ValueError(f"SSIM needs images of at least {2 * RADIUS + 1} pixels a side, these are {targets.shape[1:]}")

    def blur(images: np.ndarray) -> np.ndarray:
        return gaussian_filter(images, sigma=SIGMA, radius=RADIUS, axes=(1, 2))

    mu_x, mu_y = blur(targets), blur(outputs)
    var_x = blur(targets * targets) - mu_x * mu_x
    var_y = blur(outputs * outputs) - mu_y * mu_y
    covariance = blur(targets * outputs) - mu_x * mu_y
    c1, c2 = K1**2, K2**2  # dynamic range 1
    similarity = ((2 * mu_x * mu_y + c1) * (2 * covariance + c2)) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    inside = slice(RADIUS, -RADIUS)
    return similarity[:, inside, inside].mean(axis=(1, 2))


def total_variation(images: np.ndarray) -> np.ndarray:
    """Total variation per image, `(n,)`, in units of full scale per pixel: 0 is flat.

    Rudin, Osher and Fatemi 1992 (Physica D 60), anisotropic, and as a mean, so that it does not grow with the image:
    the absolute difference between neighbours, averaged over horizontal and vertical pairs.
    """
    across = np.abs(np.diff(images, axis=2)).mean(axis=(1, 2))
    down = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2))
    return (across + down) / 2


def chroma(colour: np.ndarray) -> np.ndarray:
    """Mean chroma per image, `(n,)`: C*ab = √(a*² + b*²) in CIELAB (CIE 15:2004, D65); 0 means gray.

    Args:
        colour: `(n, height, width, 3)` sRGB in [0, 1].
    """
    from skimage.color import rgb2lab

    lab = rgb2lab(colour)
    return np.hypot(lab[..., 1], lab[..., 2]).mean(axis=(1, 2))
