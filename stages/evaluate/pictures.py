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


def middle(image: np.ndarray) -> np.ndarray:
    """The middle of an image `(height, width, …)`, at most `CROP` pixels on a side."""
    row, column = (max(0, (size - CROP) // 2) for size in image.shape[:2])
    return image[row : row + CROP, column : column + CROP]
