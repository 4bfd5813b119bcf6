"""The energy of the error relative to that of the target, by band of spatial frequency."""

import numpy as np
import pandas as pd
from scipy.fft import dctn

from stages.evaluate.scores import BAND, ROUNDING

EDGES = np.array([*(step / 16 for step in range(8)), np.sqrt(0.5)])  # cycles per pixel; √½ is a checkerboard
FLOOR = -100.0  # dB
COLUMNS = tuple(f"{BAND}{low:.4g}" for low in EDGES[:-1])  # of a table with a column per band


def energies(images: np.ndarray) -> np.ndarray:
    """Sum of squares of the orthonormal 2-D DCT-II of all `(n, side, side)` by band, `(bands,)`, without the means."""
    power = np.square(dctn(images, type=2, norm="ortho", axes=(1, 2))).sum(axis=0)
    power[0, 0] = 0
    u, v = np.indices(power.shape)
    band = np.searchsorted(EDGES, np.sqrt(u * u + v * v) / (2 * len(power)), side="right") - 1
    return np.bincount(band.reshape(-1), weights=power.reshape(-1), minlength=len(EDGES) - 1)


def bands(method: str, error: np.ndarray, target: np.ndarray, pixels: int) -> pd.DataFrame:
    """One row per band: method, low and high (cycles per pixel, low ≤ f < high), relative_error_db (dB, at least −100).

    `error` and `target` are `energies` of the residuals, averaged over channels, and of the targets, which have
    `pixels` pixels. 0 dB: the band is lost. The targets' energy counts as at least that of rounding.
    """
    ratio = error / np.maximum(target, pixels * ROUNDING**2)
    decibels = 10 * np.log10(np.maximum(ratio, 10 ** (FLOOR / 10)))
    return pd.DataFrame({"method": method, "low": EDGES[:-1], "high": EDGES[1:], "relative_error_db": decibels})
