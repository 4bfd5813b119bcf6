"""Packed photographs: zips of lossless PNG files, and their manifest.

DVC is slow with many small files, so there are a few large ones. A stored zip gives random access and a CRC per member.
photographs-00000.zip holds the first photographs of the manifest, the next zip those that follow; shards.csv (file,
photographs) holds the number of photographs in each.
"""

import io
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, PngImagePlugin

from stages.common.artifacts import ArtifactError, read_table, write_table, write_zip
from stages.common.shards import place
from stages.formats import manifest

MANIFEST, SHARDS = "manifest.csv", "shards.csv"
OPEN = 4  # zips at a time; the number of open files is limited


def write(folder: Path, photographs: Iterable[tuple[dict[str, Any], np.ndarray]]) -> None:
    """Pack photographs, a manifest row and `(height, width, 3)` uint8 each, into one zip in `folder`.

    Memory holds one photograph at a time: they wait in temporary files, because the zip is sorted by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    files: dict[str, Path] = {}  # a repeated name is refused by `manifest.check`
    with tempfile.TemporaryDirectory(dir=folder) as waiting:
        for row, pixels in photographs:
            rows.append(row)
            file = files[_member(row["name"])] = Path(waiting, str(len(rows)))
            Image.fromarray(pixels).save(file, format="PNG")
            del pixels  # or two photographs would be in memory
        write_zip(folder / file_name(0), ((member, files[member].read_bytes()) for member in sorted(files)))
    _write_tables(folder, [pd.DataFrame(rows, columns=manifest.COLUMNS)])


def join(folder: Path, parts: Sequence[tuple[Path, pd.DataFrame]]) -> None:
    """Join containers of one zip each into `folder`.

    A part is the folder of a container and the wanted rows of its manifest, at least one. Zips are linked; those with
    unwanted photographs are written again without them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, (part, rows) in enumerate(parts):
        old, new = part / file_name(0), folder / file_name(number)
        with zipfile.ZipFile(old) as archive:
            if len(archive.namelist()) == len(rows):
                place(old, new)
            else:
                write_zip(new, ((member, archive.read(member)) for member in sorted(map(_member, rows["name"]))))
    _write_tables(folder, [rows for _, rows in parts])


def file_name(number: int) -> str:
    """The name of zip `number`, counted from 0."""
    return f"photographs-{number:05}.zip"


def _write_tables(folder: Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write the manifest and shards.csv, from the manifest rows of each zip."""
    held = [(file_name(number), len(rows)) for number, rows in enumerate(tables)]
    write_table(folder / MANIFEST, pd.concat(tables, ignore_index=True))
    write_table(folder / SHARDS, pd.DataFrame(held, columns=["file", "photographs"]))


class Container:
    """Read access to a folder that `write` or `join` filled; each split of `needed` must have a photograph.

    `ArtifactError` if the manifest or shards.csv is missing or no table.
    """

    def __init__(self, folder: Path, needed: Sequence[str] = manifest.SPLITS) -> None:
        self.manifest = manifest.read(folder / MANIFEST, needed)
        held = read_table(folder / SHARDS, ["file"])
        files = np.repeat(held["file"].to_numpy(), held["photographs"])
        self._rows = self.manifest.assign(file=files).set_index("name", drop=False)
        self._folder = folder
        self._zip = lru_cache(OPEN)(lambda file: zipfile.ZipFile(folder / file))

    def read(self, name: str) -> np.ndarray:
        """One photograph as `(height, width, 3)` uint8, sRGB, checked against its manifest row.

        `ArtifactError` if it is missing, damaged, or not the one in the manifest; `KeyError` for an unknown name.
        """
        row = self._rows.loc[name]
        try:
            content = self._zip(row["file"]).read(_member(name))
            # not Image.open, which refuses more than 179 megapixels
            with PngImagePlugin.PngImageFile(io.BytesIO(content)) as image:
                pixels = np.asarray(image)
        except (KeyError, zipfile.BadZipFile, OSError, SyntaxError) as error:
            path = self._folder / row["file"]
            raise ArtifactError(f"{path}: photograph {name!r} can't be read: {error}; run `dvc repro`") from error
        manifest.verify(row, pixels)
        return pixels


def _member(name: str) -> str:
    return f"{name}.png"
