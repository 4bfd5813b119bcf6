"""Which part of a photograph pictures show, and PNG files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from grayscale.core.atomic import atomic

NOISE = 25  # gray levels
CROP = 160  # pixels on a side, of the middle of a photograph


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write `(height, width)` or `(height, width, 3)` uint8 as PNG without metadata."""
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def noise_shown(levels: Iterable[int]) -> int:
    """The level of Gaussian noise that pictures show: the nearest to `NOISE`, gray levels."""
    return min(levels, key=lambda level: abs(level - NOISE))


def middle(image: np.ndarray, height: int = CROP, width: int = CROP) -> np.ndarray:
    """The middle of an image `(height, width, …)`, at most of this size."""
    row, column = max(0, (image.shape[0] - height) // 2), max(0, (image.shape[1] - width) // 2)
    return image[row : row + height, column : column + width]
