"""Packed photographs: zips of lossless PNG files, and their manifest.

DVC is slow with many small files, so there are a few large ones. A stored zip gives random access and a CRC per member.
photographs-00000.zip holds the first photographs of the manifest, the next zip those that follow; shards.csv (file,
photographs) holds the number of photographs in each.
"""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, PngImagePlugin

from stages.common.artifacts import ArtifactError, read_table, write_table, write_zip
from stages.formats import manifest

MANIFEST, SHARDS = "manifest.csv", "shards.csv"
OPEN = 4  # zips at a time; the number of open files is limited


def write(folder: Path, photographs: Iterable[tuple[dict[str, Any], np.ndarray]]) -> None:
    """Pack photographs, a manifest row and `(height, width, 3)` uint8 each, into one zip in `folder`; no zip if none.

    Memory holds one photograph at a time: they wait in temporary files, because the zip is sorted by name.
    `ArtifactError` names the file that can't be written, such as on a full disk.
    """
    path = folder / file_name(0)
    with faults_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        waiting = tempfile.TemporaryDirectory(dir=folder)
    rows: list[dict[str, Any]] = []
    files: dict[str, Path] = {}  # a repeated name is refused by `manifest.check`
    with waiting:
        for row, pixels in photographs:
            rows.append(row)
            file = files[_member(row["name"])] = Path(waiting.name, str(len(rows)))
            with faults_named(path):
                Image.fromarray(pixels).save(file, format="PNG")
            del pixels  # or two photographs would be in memory
        if rows:
            with faults_named(path):
                write_zip(path, ((member, files[member].read_bytes()) for member in sorted(files)))
        _write_tables(folder, [pd.DataFrame(rows, columns=manifest.COLUMNS)] if rows else [])


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn an `OSError` of writing into an `ArtifactError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path} can't be written: {error.strerror}") from error


def join(folder: Path, parts: Sequence[tuple[Path, pd.DataFrame]]) -> None:
    """Join containers of one zip each into `folder`; `ArtifactError` if something can't be written.

    A part is the folder of a container and the wanted rows of its manifest, at least one. Zips are moved; those with
    unwanted photographs are written again without them.
    """
    with faults_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    unchanged = []
    for number, (part, rows) in enumerate(parts):
        old, new = part / file_name(0), folder / file_name(number)
        with zipfile.ZipFile(old) as archive:
            if len(archive.namelist()) == len(rows):
                unchanged.append((old, new))
                continue
            with faults_named(new):
                write_zip(new, ((member, archive.read(member)) for member in sorted(map(_member, rows["name"]))))
    for old, new in unchanged:  # last, since a moved shard must be made again after a kill
        with faults_named(new):
            shutil.move(old, new)  # a rename, unless the disks differ
    _write_tables(folder, [rows for _, rows in parts])


def file_name(number: int) -> str:
    """The name of zip `number`, counted from 0."""
    return f"photographs-{number:05}.zip"


def _write_tables(folder: Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write the manifest and shards.csv, from the manifest rows of each zip."""
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=manifest.COLUMNS)
    held = [(file_name(number), len(rows)) for number, rows in enumerate(tables)]
    counts = pd.DataFrame(held, columns=["file", "photographs"])
    for path, content in ((folder / MANIFEST, table), (folder / SHARDS, counts)):
        with faults_named(path):
            write_table(path, content)


class Container:
    """Read access to a folder that `write` or `join` filled; each split of `needed` must have a photograph.

    `ArtifactError` if the manifest or shards.csv is missing or damaged, or if they do not match.
    """

    def __init__(self, folder: Path, needed: Sequence[str] = manifest.SPLITS) -> None:
        self.manifest = manifest.read(folder / MANIFEST, needed)
        held = read_table(folder / SHARDS, ["file"])
        if [*held] != ["file", "photographs"] or held["photographs"].sum() != len(self.manifest):
            raise ArtifactError(f"{folder / SHARDS} does not match {MANIFEST}; run `dvc repro`")
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
