"""Small data sets: synthetic photographs, packed photographs and patch sets in the formats of `stages.formats`."""

from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.artifacts import sha256_of, write_json, write_model
from stages.common.settings import Variant
from stages.formats import container, manifest
from stages.formats.patches import PatchSet

Photographs = dict[str, np.ndarray]  # by name

# === Synthetic photographs ===

DISCS = 250
RADII = (3, 60)  # pixels
EXTENSIONS = (".jpg", ".png", ".tif", ".webp", ".bmp")


def leaves(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """`(height, width, 3)` uint8: leaves of related colours, each with a gradient, under slight noise.

    They have the statistics of natural images (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41,
    2001): opaque discs that occlude one another; the number of radius r falls with r⁻³.
    """
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


def write_leaves(folder: Path, seeds: range, height: int = 96, width: int = 128) -> None:
    """Write photographs in alternating formats, in subfolders of ten."""
    for seed in seeds:
        path = folder / f"walk {seed // 10}" / f"leaves-{seed:03}{EXTENSIONS[seed % len(EXTENSIONS)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(leaves(seed, height, width)).save(path)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """`(height, width, 3)` uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


# === Packed photographs, and patches ===


def table(photographs: Photographs, splits: Iterable[str] = repeat("train")) -> pd.DataFrame:
    """The manifest of photographs; other text columns are `NA`."""
    rows = [
        [name, "NA", "NA", "NA", name, split, *pixels.shape[:2], manifest.hash_pixels(pixels)]
        for (name, pixels), split in zip(photographs.items(), splits, strict=False)
    ]
    return pd.DataFrame(rows, columns=manifest.COLUMNS)


def pack(folder: Path, photographs: Photographs, splits: Iterable[str] = repeat("train")) -> Path:
    """Pack photographs into a container in `folder`."""
    rows = table(photographs, splits).to_dict("records")
    container.write(folder, zip(rows, photographs.values(), strict=True))
    return folder


def write_patches(
    folder: Path, index: pd.DataFrame, colour: np.ndarray, gray: np.ndarray, shards: list[int]
) -> PatchSet:
    """Write a patch set by NumPy and pandas alone.

    `colour` `(n, patch, patch, 3)` and `gray` `(…, 1)` uint8; `shards`: the patches of each.
    """
    index.to_csv(folder / "index.csv", index=False)
    rows, start = [], 0
    for number, patches in enumerate(shards):
        row: dict[str, object] = {"shard": number, "patches": patches}
        for kind, array in {"colour": colour, "gray": gray}.items():
            np.save(folder / f"{kind}-{number:05}.npy", array[start : start + patches])
            row[f"{kind}_sha256"] = sha256_of(folder / f"{kind}-{number:05}.npy")
        rows.append(row)
        start += patches
    pd.DataFrame(rows).to_csv(folder / "shards.csv", index=False)
    return PatchSet(folder)


# === Networks ===


def write_network(folder: Path, variant: Variant, facts: dict[str, Any]) -> None:
    """Write an untrained network for patches of 12 pixels; before its first step it had half its weights."""
    from stages.train import build  # late: most tests need no TensorFlow

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "facts.json", {"recipe": {**variant.model_dump(), "device": "cpu"}, "curve": 0, **facts})
    model = build.build(variant, 12)
    model = getattr(model, "inference", lambda: model)()
    rng = np.random.default_rng(1)
    weights = [weight if np.any(weight) else rng.normal(0, 0.1, weight.shape) for weight in model.get_weights()]
    for file, factor in (("start.keras", 0.5), ("model.keras", 1.0)):
        model.set_weights([factor * weight for weight in weights])
        write_model(folder / file, model)
