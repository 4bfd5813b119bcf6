"""Synthetic photographs with the statistics of natural images: the dead leaves model.

Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001: opaque discs that occlude one another; the
number of radius r falls with r⁻³.
"""

from pathlib import Path

import numpy as np
from PIL import Image

DISCS = 250
RADII = (3, 60)  # pixels
EXTENSIONS = (".jpg", ".png", ".tif", ".webp", ".bmp")


def photograph(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """`(height, width, 3)` uint8: leaves of related colours, each with a gradient, under slight noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    image = np.full((height, width, 3), rng.uniform(40, 215, 3))
    low, high = (radius**-2.0 for radius in RADII)
    radii = rng.uniform(high, low, DISCS) ** -0.5  # the inverse of the distribution function of r⁻³
    season = rng.uniform(40, 215, 3)
    for radius in radii:
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        shade = 1 + 0.2 * (rows - row)[inside] / radius
        image[inside] = (0.5 * season + 0.5 * rng.uniform(0, 255, 3)) * shade[:, None]
    return np.rint(np.clip(image + rng.normal(0, 2, image.shape), 0, 255)).astype(np.uint8)


def write(folder: Path, seeds: range, height: int = 96, width: int = 128) -> None:
    """Write photographs in alternating formats, in subfolders of ten."""
    for seed in seeds:
        path = folder / f"walk {seed // 10}" / f"leaves-{seed:03}{EXTENSIONS[seed % len(EXTENSIONS)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph(seed, height, width)).save(path)
