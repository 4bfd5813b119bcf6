"""At which spatial frequencies luminance detail is lost: the energy of the error relative to the target's, by band."""

import numpy as np
import pandas as pd
from scipy.fft import dctn

from stages.evaluate.scores import BAND, ROUNDING

# Cycles per pixel: steps of 1/16; the last band reaches the corner of the spectrum, where rows and columns alternate.
EDGES = np.array([*(step / 16 for step in range(8)), np.sqrt(0.5)])
FLOOR = -100.0  # dB
COLUMNS = tuple(f"{BAND}{low:.4g}" for low in EDGES[:-1])  # of a table with a column per band


def radial_frequency(side: int) -> np.ndarray:
    """Cycles per pixel `(side, side)` of each DCT coefficient: √(u² + v²) / (2 · side), in [0, √½)."""
    u, v = np.indices((side, side))
    return np.sqrt(u * u + v * v) / (2 * side)


def energies(images: np.ndarray) -> np.ndarray:
    """Sum of squares per band, `(bands,)`, over all of `(n, side, side)`: orthonormal two-dimensional DCT-II.

    The mean of a patch, the coefficient at frequency 0, is no detail and left out; by Parseval's theorem the bands add
    up to the sum of squares of the images without their means.
    """
    power = np.square(dctn(images, type=2, norm="ortho", axes=(1, 2))).sum(axis=0)
    power[0, 0] = 0
    band = np.searchsorted(EDGES, radial_frequency(images.shape[1]), side="right") - 1
    return np.bincount(band.reshape(-1), weights=power.reshape(-1), minlength=len(EDGES) - 1)


def bands(method: str, error: np.ndarray, target: np.ndarray, pixels: int) -> pd.DataFrame:
    """One row per band: method, low and high (cycles per pixel, low ≤ f < high), relative_error_db.

    That is the energy of the residuals relative to the targets', in dB: 0 where a band is lost wholly, at least −100.
    The targets' energy counts as no less than rounding may be. `error` and `target` are `energies` of the residuals,
    averaged over channels, and of the targets, which have so many `pixels`.
    """
    ratio = error / np.maximum(target, pixels * ROUNDING**2)
    decibels = 10 * np.log10(np.maximum(ratio, 10 ** (FLOOR / 10)))
    return pd.DataFrame({"method": method, "low": EDGES[:-1], "high": EDGES[1:], "relative_error_db": decibels})
