"""Writing the files of a patch set, whose form patches.py describes: piece by piece, so that memory holds little."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from stages.common.artifacts import write_table
from stages.common.shards import Shard, place
from stages.formats.patches import KINDS


class Growing:
    """A `.npy` file of uint8 that grows; when it is closed, its bytes are those of `np.save`.

    `len` is the number of rows. NumPy leaves room in the header for any number of them.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        """Begin the file; a row has `shape`."""
        self._shape, self._rows = shape, 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: np.ndarray) -> None:
        """Add rows `(n, *shape)` uint8."""
        self._file.write(np.ascontiguousarray(rows).data)
        self._rows += len(rows)

    def __len__(self) -> int:
        return self._rows

    def _write_header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()


def pack(shards: Sequence[Shard], folder: Path) -> None:
    """Make a patch set in `folder` of shards that `cutting.cut_group` filled; those without patches leave no trace.

    It shares the large files with the shards, which stay whole: a later try finds them. What `folder` holds is
    replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    with (folder / "index.csv").open("wb") as index:
        index.write(b"photo,domain,row,column\n")
        for number, shard in enumerate(shard for shard in shards if any(shard.facts["kept"])):
            with (shard.folder / "index.csv").open("rb") as part:
                shutil.copyfileobj(part, index)
            for kind in KINDS:
                place(shard.folder / f"{kind}.npy", folder / f"{kind}-{number:05}.npy")
            hashes = {f"{kind}_sha256": shard.facts["sha256"][kind] for kind in KINDS}
            rows.append({"shard": number, "patches": sum(shard.facts["kept"]), **hashes})
    write_table(folder / "shards.csv", pd.DataFrame(rows))
