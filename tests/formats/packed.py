"""Helpers: small containers of photographs."""

from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd

from stages.formats import container, manifest

Photographs = dict[str, np.ndarray]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """`(height, width, 3)` uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def table(photographs: Photographs, splits: Iterable[str] = repeat("train")) -> pd.DataFrame:
    """The manifest of photographs; other text columns are `NA`."""
    rows = [
        [name, "NA", "NA", "NA", name, split, *pixels.shape[:2], manifest.hash_pixels(pixels)]
        for (name, pixels), split in zip(photographs.items(), splits, strict=False)
    ]
    return pd.DataFrame(rows, columns=manifest.COLUMNS)


def write(folder: Path, photographs: Photographs, splits: Iterable[str] = repeat("train")) -> Path:
    """Pack photographs into a container in `folder`."""
    rows = table(photographs, splits).to_dict("records")
    container.write(folder, zip(rows, photographs.values(), strict=True))
    return folder
