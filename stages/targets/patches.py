"""Cutting photographs into square patches, and the packed, memory-mappable form in which they travel.

A patch set is one folder per split: shards `colour-00000.npy` `(n, patch, patch, 3)` and `gray-00000.npy`
`(n, patch, patch, 1)`, both uint8; `index.csv` with a row per patch (photo, domain, row, column); `shards.csv` with the
sha256 of each file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from stages.artifacts import ArtifactError, open_array, read_table, write_array, write_table

KINDS = ("colour", "gray")


def grid(height: int, width: int, patch: int, stride: int) -> np.ndarray:
    """Upper left corners `(n, 2)` of all patches that lie wholly inside, row by row; (row, column) in pixels."""
    rows = np.arange(0, height - patch + 1, stride)
    columns = np.arange(0, width - patch + 1, stride)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def cut(image: np.ndarray, corners: np.ndarray, patch: int) -> np.ndarray:
    """The patches `(n, patch, patch, channels)` of `image` `(height, width, channels)` at `corners` `(n, 2)`."""
    return np.stack([image[row : row + patch, column : column + patch] for row, column in corners])


def join(patches: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The image `(height, width, channels)` that the patches `(n, patch, patch, channels)` of a full grid tile."""
    patch = patches.shape[1]
    height, width = corners.max(axis=0) + patch
    image = np.zeros((height, width, patches.shape[3]), patches.dtype)
    for piece, (row, column) in zip(patches, corners, strict=True):
        image[row : row + patch, column : column + patch] = piece
    return image


def contrast(gray: np.ndarray) -> np.ndarray:
    """Standard deviation `(n,)` of each gray patch `(n, patch, patch, 1)` uint8, in gray levels of 255."""
    return gray.astype(np.float64).std(axis=(1, 2, 3))


@dataclass
class PatchWriter:
    """Collects the patches of one split and writes them shard by shard; at most one shard is in memory."""

    folder: Path
    shard_patches: int
    _waiting: dict[str, list[np.ndarray]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    _count: int = 0
    _index: list[pd.DataFrame] = field(default_factory=list)
    _shards: list[dict[str, object]] = field(default_factory=list)

    def add(self, index: pd.DataFrame, colour: np.ndarray, gray: np.ndarray) -> None:
        """Add patches `(n, patch, patch, 3)` and `(n, patch, patch, 1)`, uint8, with a row of `index` each."""
        self._index.append(index)
        start = 0
        while start < len(index):
            stop = start + min(self.shard_patches - self._count, len(index) - start)
            self._waiting["colour"].append(colour[start:stop])
            self._waiting["gray"].append(gray[start:stop])
            self._count += stop - start
            start = stop
            if self._count == self.shard_patches:
                self._flush()

    def __len__(self) -> int:
        return sum(map(len, self._index))

    def close(self) -> None:
        """Write what is left and the tables."""
        if self._count:
            self._flush()
        write_table(self.folder / "index.csv", pd.concat(self._index, ignore_index=True))
        write_table(self.folder / "shards.csv", pd.DataFrame(self._shards))

    def _flush(self) -> None:
        number = len(self._shards)
        hashes = {
            f"{kind}_sha256": write_array(self.folder / f"{kind}-{number:05}.npy", np.concatenate(self._waiting[kind]))
            for kind in KINDS
        }
        self._shards.append({"shard": number, "patches": self._count, **hashes})
        self._waiting = {kind: [] for kind in KINDS}
        self._count = 0


class PatchSet:
    """One split's patches, memory-mapped; every shard's sha256 is checked on opening.

    Attributes:
        index: one row per patch: photo, domain, row, column.
        sha256: of the tables, and so, through the shards' hashes, of everything.

    Raises:
        ArtifactError: a file is missing or damaged, or the tables disagree with each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = read_table(folder / "index.csv", text=("photo", "domain"))
        shards = read_table(folder / "shards.csv")
        self.sha256 = hashlib.sha256(
            (folder / "index.csv").read_bytes() + (folder / "shards.csv").read_bytes()
        ).hexdigest()
        self._starts = np.concatenate([[0], np.cumsum(shards["patches"])])
        if self._starts[-1] != len(self.index):
            raise ArtifactError(f"{folder}: index.csv has {len(self.index)} patches, shards.csv {self._starts[-1]}")
        self._arrays = {
            kind: [
                open_array(folder / f"{kind}-{row['shard']:05}.npy", row[f"{kind}_sha256"])
                for _, row in shards.iterrows()
            ]
            for kind in KINDS
        }

    def __len__(self) -> int:
        return len(self.index)

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return self._arrays["gray"][0].shape[1]

    def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """The patches `numbers` (all if None) of a kind, "colour" or "gray", as `(n, patch, patch, channels)` uint8."""
        if numbers is None:
            return np.concatenate(self._arrays[kind])
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        return np.stack(
            [
                self._arrays[kind][shard][number - self._starts[shard]]
                for shard, number in zip(shards, numbers, strict=True)
            ]
        )


def to_unit(levels: np.ndarray, dtype: str = "float64") -> np.ndarray:
    """8-bit levels as fractions of full scale: uint8 in 0…255 → `dtype` in [0, 1]."""
    return levels.astype(dtype) / np.asarray(255, dtype)
