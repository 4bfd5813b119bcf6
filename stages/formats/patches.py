"""Cut photographs into square patches, and read packed patch sets.

A patch set is one folder per split: shards `colour-00000.npy` `(n, patch, patch, 3)` and `gray-00000.npy`
`(n, patch, patch, 1)`, both uint8; `index.csv` with a row per patch (photo, domain, row, column); `shards.csv` with the
sha256 of each file.
"""

import hashlib
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.artifacts import ArtifactError, read_table, sha256_of

KINDS = {"colour": 3, "gray": 1}  # kind → channels
MAPPED = 4  # shards of each kind that stay mapped: 400 MB at 100 MB per pair of files


def grid(height: int, width: int, patch: int, stride: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Upper left corners `(n, 2)` in pixels of the patches `start` … `stop` − 1, row by row; all lie inside."""
    numbers = np.arange(*slice(start, stop).indices(count(height, width, patch, stride)))
    return np.stack(np.divmod(numbers, (width - patch) // stride + 1), axis=1) * stride


def count(height: Any, width: Any, patch: int, stride: int) -> Any:
    """The number of patches of an image, or of each of many (arrays or columns of a table)."""
    rows, columns = ((side - patch) // stride + 1 for side in (height, width))
    return np.maximum(rows, 0) * np.maximum(columns, 0)


def cut(image: np.ndarray, corners: np.ndarray, patch: int) -> np.ndarray:
    """The patches `(n, patch, patch, channels)` of `image` `(height, width, channels)` at `corners` `(n, 2)`."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (patch, patch, image.shape[2]))
    return windows[corners[:, 0], corners[:, 1], 0]


def contrast(gray: np.ndarray) -> np.ndarray:
    """Standard deviation `(n,)` of each gray patch `(n, patch, patch, 1)` uint8, in gray levels of 255."""
    return gray.astype(np.float64).std(axis=(1, 2, 3))


class PatchSet:
    """The patches of one split.

    A file is checked against its sha256 when it is first read. The last `MAPPED` shards of each kind stay mapped, so
    memory does not grow with their number. `ArtifactError` if a file is missing or damaged: shards.csv at opening,
    others when they are read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards = read_table(folder / "shards.csv")
        self._starts = np.concatenate([[0], np.cumsum(self._shards["patches"])])
        self._checked: set[Path] = set()
        self._open = {kind: lru_cache(MAPPED)(partial(self._mapped, kind)) for kind in KINDS}

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per patch: photo, domain, row, column."""
        return read_table(self.folder / "index.csv", text=("photo", "domain"))

    @cached_property
    def sha256(self) -> str:
        """Hash of both tables; shards.csv has the hashes of all other files."""
        try:
            tables = (self.folder / "index.csv").read_bytes(), (self.folder / "shards.csv").read_bytes()
        except FileNotFoundError as error:
            raise ArtifactError(f"{error.filename}: not found; run `dvc repro`") from error
        return hashlib.sha256(b"".join(tables)).hexdigest()

    @property
    def shards(self) -> list[tuple[int, int]]:
        """Patch numbers (start, stop) of each shard, in order; no photograph has patches in two shards."""
        return list(pairwise(self._starts.tolist()))

    @cached_property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return self._open["gray"](0).shape[1]

    def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """The patches `numbers`, or all, of a kind ("colour" or "gray") as `(n, patch, patch, channels)` uint8.

        Fast where they lie in at most `MAPPED` shards.
        """
        numbers = np.arange(len(self)) if numbers is None else np.asarray(numbers)
        found = np.empty((len(numbers), self.patch, self.patch, KINDS[kind]), np.uint8)
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        for shard in np.unique(shards).tolist():
            here = np.flatnonzero(shards == shard)
            found[here] = self._open[kind](shard)[numbers[here] - self._starts[shard]]
        return found

    def _mapped(self, kind: str, shard: int) -> np.ndarray:
        path = self.folder / f"{kind}-{shard:05}.npy"
        if path not in self._checked and sha256_of(path) != self._shards[f"{kind}_sha256"][shard]:
            raise ArtifactError(f"{path}: its sha256 is not the one in shards.csv; the file is damaged")
        self._checked.add(path)
        return np.load(path, mmap_mode="r", allow_pickle=False)
