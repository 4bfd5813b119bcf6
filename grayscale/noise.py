"""How noisy is a photograph? An estimate from its finest details, and from where on a photograph counts as noisy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NOISY = 4.0  # gray levels of 255; fine texture takes a quarter of the small clean photographs of CBSD68 above it
PIXELS = 1 << 21  # that are looked at, in pairs of rows
OF_MEDIAN = 0.6745  # the median absolute value of normal noise, in standard deviations


def estimate(read: Callable[[int, int], np.ndarray], height: int, width: int) -> float:
    """Standard deviation of a photograph's noise in gray levels of 255; the mean of red, green and blue.

    Donoho and Johnstone 1994 (Biometrika 81:3), section 4: the median absolute value of the diagonal details of Haar's
    wavelet, (a − b − c + d) / 2 of each 2 × 2 pixels, over 0.6745. Most places of a photograph are smooth so finely
    looked at; fine texture counts as noise.

    Args:
        read: `(top, bottom)` to those rows, `(bottom − top, width, 3)`, uint8, or float in [0, 1].
        height: of the photograph, pixels.
        width: of the photograph, pixels.
    """
    if min(height, width) < 2:
        return 0.0
    step = 2 * max(1, height * width // PIXELS)
    details = []
    for top in range(0, height - 1, step):
        pair = read(top, top + 2)[:, : width // 2 * 2]
        pair = pair.astype(np.float32) * (1 if pair.dtype == np.uint8 else 255)
        details.append(np.abs(pair[0, ::2] - pair[0, 1::2] - pair[1, ::2] + pair[1, 1::2]))
    medians = np.median(np.concatenate(details), axis=0) / 2
    return float(medians.mean() / OF_MEDIAN)
