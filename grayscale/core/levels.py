"""8- and 16-bit levels, and fractions of full scale."""

import numpy as np


def to_unit(levels: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """8-bit levels as fractions of full scale: uint8 in 0…255 → `dtype` in [0, 1]."""
    return levels.astype(dtype) / np.asarray(255, dtype)


def levels(gray: np.ndarray, *, bits: int) -> np.ndarray:
    """Fractions of full scale, rounded to levels of 8 or 16 bits: uint8 or uint16. 8-bit levels stay as they are."""
    if gray.dtype == np.uint8:
        return gray
    full = 2**bits - 1
    return np.rint(np.clip(gray, 0, 1) * full).astype(np.uint8 if bits == 8 else np.uint16)
