"""What needs no autoencoder: closed forms, a fitted 1 × 1 convolution, and PCA at an autoencoder's latent size.

All take float64 in [0, 1] and give float64, unrounded, as the networks do; what is outside [0, 1] is clipped later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stages.targets.conversions import BT601

WEIGHT_DECIMALS = 9  # of a fitted weight: the digits after them depend on the processor

Method = Callable[[np.ndarray], np.ndarray]  # colour (n, height, width, 3), for PCA gray, → gray (n, height, width)


def luma(colour: np.ndarray) -> np.ndarray:
    """BT.601 luma: colour `(n, height, width, 3)` → gray `(n, height, width)`."""
    return _weighted(colour, BT601)


def mean_rgb(colour: np.ndarray) -> np.ndarray:
    """(R + G + B) / 3."""
    return colour.mean(axis=3)


def green(colour: np.ndarray) -> np.ndarray:
    """The green channel alone."""
    return colour[..., 1]


CLOSED_FORMS: dict[str, Method] = {"luma": luma, "mean_rgb": mean_rgb, "green": green}


def fit_conv1x1(colour: np.ndarray, gray: np.ndarray) -> Method:
    """A learned 1 × 1 convolution with bias: the least-squares optimum on training patches, so nothing is left to luck.

    Args:
        colour: `(n, height, width, 3)` training patches.
        gray: `(n, height, width)` their targets.
    """
    ones = np.ones((colour.size // 3, 1))
    design = np.hstack([colour.reshape(-1, 3), ones])
    weights = np.linalg.solve(design.T @ design, design.T @ gray.reshape(-1))
    *channels, bias = weights.round(WEIGHT_DECIMALS)
    return lambda images: _weighted(images, channels) + bias


def _weighted(colour: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The sum over channels, always in this order; a matrix product's order depends on the processor."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    return weights[0] * red + weights[1] * green + weights[2] * blue


def fit_pca(gray: np.ndarray, components: int) -> Method:
    """Principal components of gray training patches: the best linear code of its size (Eckart and Young 1936).

    Args:
        gray: `(n, height, width)` training patches.
        components: numbers per patch; as many as pixels, or as training patches, are the most there can be.

    Returns:
        Gray `(n, height, width)` → the same through the code. With as many components as pixels it is the identity.
    """
    from sklearn.decomposition import PCA

    pixels = gray[0].size
    solver = "covariance_eigh" if len(gray) > pixels else "full"
    pca = PCA(n_components=min(components, pixels, len(gray)), svd_solver=solver).fit(gray.reshape(len(gray), -1))
    return lambda images: pca.inverse_transform(pca.transform(images.reshape(len(images), -1))).reshape(images.shape)
