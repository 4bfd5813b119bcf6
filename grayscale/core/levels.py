"""8- and 16-bit levels from and to fractions of full scale."""

import numpy as np


def to_unit(levels: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """8-bit levels to fractions of full scale: uint8 → `dtype` in [0, 1]."""
    return levels.astype(dtype) / np.asarray(255, dtype)


def levels(gray: np.ndarray, *, bits: int) -> np.ndarray:
    """Fractions of full scale, rounded to uint8 or uint16 levels; uint8 is returned as it is."""
    if gray.dtype == np.uint8:
        return gray
    full = 2**bits - 1
    return np.rint(np.clip(gray, 0, 1) * full).astype(np.uint8 if bits == 8 else np.uint16)
