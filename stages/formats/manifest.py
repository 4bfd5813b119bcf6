"""The list of photographs: one row each, with its licence, its split and the hash of its pixels."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.artifacts import ArtifactError, read_table

COLUMNS = ("name", "source", "licence", "domain", "scene", "split", "height", "width", "sha256")
TEXT = tuple(column for column in COLUMNS if column not in ("height", "width"))
SPLITS = ("train", "validation", "test")


def read(path: Path, needed: Sequence[str] = SPLITS) -> pd.DataFrame:
    """Read and check a manifest; `ArtifactError` if it is missing, is no table, or is refused by `check`."""
    table = rows(path)
    check(table, str(path), needed)
    return table


def rows(path: Path) -> pd.DataFrame:
    """A manifest without checks, text columns as strings; `ArtifactError` if it is missing or no table."""
    return read_table(path, text=TEXT)


def check(table: pd.DataFrame, where: str, needed: Sequence[str] = SPLITS) -> None:
    """Raise `ArtifactError` for an invalid manifest; `where` names it in the message.

    Photographs of one `scene` (a stereo pair) must share a split. `sha256` is that of `hash_pixels`. Each split of
    `needed` must have a photograph.
    """
    if missing := [column for column in COLUMNS if column not in table]:
        raise ArtifactError(f"{where}: no column {', '.join(missing)}; a manifest has {', '.join(COLUMNS)}")
    if twice := table["name"][table["name"].duplicated()].tolist():
        raise ArtifactError(f"{where}: listed twice: {', '.join(twice)}")
    if unknown := sorted(set(table["split"].astype(str)) - set(SPLITS)):
        raise ArtifactError(f"{where}: unknown split {', '.join(unknown)}; it must be one of {', '.join(SPLITS)}")
    if empty := [split for split in needed if split not in set(table["split"])]:
        raise ArtifactError(f"{where}: no photograph in split {', '.join(empty)}; add some, or change the split")
    sides = table.groupby("scene")["split"].nunique()
    if leaking := sides[sides > 1].index.tolist():
        raise ArtifactError(f"{where}: scene {', '.join(map(str, leaking))} is in more than one split")


def hash_pixels(pixels: np.ndarray) -> str:
    """sha256 of `pixels`, `(height, width, 3)` uint8, in row-major order; independent of file formats."""
    return hashlib.sha256(np.ascontiguousarray(pixels).reshape(-1).data).hexdigest()


def verify(row: pd.Series | Mapping[str, Any], pixels: np.ndarray) -> None:
    """Raise `ArtifactError` unless the photograph has the hash of its manifest row."""
    found = hash_pixels(pixels)
    if found != row["sha256"]:
        raise ArtifactError(
            f"photograph {row['name']!r} has sha256 {found[:12]}…, its manifest says {row['sha256'][:12]}…; "
            "if the new photograph is wanted, put its hash into the manifest"
        )
