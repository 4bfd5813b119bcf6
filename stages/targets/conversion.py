"""The gray target of a photograph, by the conversion that params.yaml names."""

from __future__ import annotations

import numpy as np

from grayscale.conversions import CONVERSIONS, POINTWISE
from stages.common.settings import PARAMS, SettingsError

PIXELS = 1 << 18  # converted at a time, where a conversion allows it; they stay in the cache of a core


def require_known(conversion: str) -> None:
    """Raise `SettingsError`, which names the known ones, unless there is such a conversion."""
    if conversion not in CONVERSIONS:
        raise SettingsError(
            f"{PARAMS}: targets.conversion: unknown conversion {conversion!r}; known are {', '.join(CONVERSIONS)}"
        )


def gray(colour: np.ndarray, conversion: str) -> np.ndarray:
    """The gray `(height, width)` uint8 of a photograph `(height, width, 3)` uint8; stripe by stripe to save memory."""
    height, width = colour.shape[:2]
    step = max(1, PIXELS // width) if conversion in POINTWISE else height
    target = np.empty((height, width), np.uint8)
    for top in range(0, height, step):
        target[top : top + step] = CONVERSIONS[conversion](colour[top : top + step])
    return target
