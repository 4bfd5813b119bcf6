"""Classical filters, the yardsticks of denoising: luma of damaged colour, filtered, given how strong the damage is.

Gray is `(height, width)` float64 in [0, 1]. `sigma` is the true standard deviation of what damage added to luma, which
no user knows: these are the best cases of their kinds.
"""

from collections.abc import Callable

import numpy as np
from scipy.fft import dctn, idctn
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

BLOCK = 8  # pixels on a side of a sliding cosine transform
THRESHOLD = 2.7  # of a coefficient, in standard deviations of the noise

Filter = Callable[[np.ndarray, float], np.ndarray]


def tv(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Least total variation (Rudin, Osher and Fatemi 1992; Chambolle 2004, JMIV 20), its weight as the noise."""
    return np.asarray(denoise_tv_chambolle(gray, weight=sigma))


def nl_means(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Non-local means (Buades, Coll and Morel 2005): 5 × 5 patches within 13 × 13 pixels, h = 0.8 σ."""
    return np.asarray(
        denoise_nl_means(gray, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)
    )


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


FILTERS: dict[str, Filter] = {"tv": tv, "nl_means": nl_means, "sliding_dct": sliding_dct}
