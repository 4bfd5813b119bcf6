"""What needs no autoencoder: closed forms, a fitted 1 × 1 convolution, and PCA at an autoencoder's latent size.

All take and give float64 in [0, 1]; outputs are not rounded to 8 bits, as the networks' are not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.targets.conversions import BT601

Method = Callable[[np.ndarray], np.ndarray]  # colour (n, h, w, 3) → gray (n, h, w)


def luma(colour: np.ndarray) -> np.ndarray:
    """BT.601 luma: colour `(n, height, width, 3)` → gray `(n, height, width)`."""
    return colour @ np.array(BT601)


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
    return lambda images: images @ weights[:3] + weights[3]


class Pca:
    """Principal components of gray training patches: the best linear code of any size (Eckart and Young 1936)."""

    def __init__(self, gray: np.ndarray) -> None:
        """Fit on `(n, height, width)` training patches in [0, 1]."""
        flat = gray.reshape(len(gray), -1)
        self._mean = flat.mean(axis=0)
        centred = flat - self._mean
        _, vectors = np.linalg.eigh(centred.T @ centred)  # ascending eigenvalues
        self._components = vectors[:, ::-1]

    def rebuild(self, gray: np.ndarray, components: int) -> np.ndarray:
        """`(n, height, width)` → the same, through `components` numbers per patch."""
        basis = self._components[:, :components]
        flat = gray.reshape(len(gray), -1) - self._mean
        return (flat @ basis @ basis.T + self._mean).reshape(gray.shape)
