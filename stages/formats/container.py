"""The packed form of a set of photographs: zips of lossless PNG files, and the manifest beside them.

A few large files, because DVC is far slower on many small ones. A stored zip gives random access and a CRC per member.
photographs-00000.zip holds the first photographs of the manifest, the next zip those that follow; shards.csv (file,
photographs) tells how many each holds.
"""

import io
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, PngImagePlugin

from stages.common.artifacts import ArtifactError, read_table, write_table, write_zip
from stages.formats import manifest

MANIFEST, SHARDS = "manifest.csv", "shards.csv"
OPEN = 4  # zips at a time; a large set has more than a process may open


def write(folder: Path, photographs: Iterable[tuple[dict[str, Any], np.ndarray]]) -> None:
    """Pack photographs, a manifest row and `(height, width, 3)` uint8 each, into one zip in `folder`, or none if none.

    Memory holds one at a time. They wait in a nameless temporary file, because the zip is sorted by name.

    Raises:
        ArtifactError: something can't be written, such as on a full disk; names it. Nothing is left of it.
    """
    path = folder / file_name(0)
    with faults_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed below
    waiting = zipfile.ZipFile(file, "w")
    rows = []
    try:
        for row, pixels in photographs:
            rows.append(row)
            with (
                faults_named(path),
                warnings.catch_warnings(action="ignore"),  # of a name that stands twice: `manifest.check` tells
                waiting.open(_member(row["name"]), "w", force_zip64=True) as member,
            ):
                Image.fromarray(pixels).save(member, format="PNG")
            del pixels  # or it would be in memory beside the next one
        table = pd.DataFrame(rows, columns=manifest.COLUMNS)
        if rows:
            _write_some(waiting, table, path)
        _write_tables(folder, [table] if rows else [])
    finally:
        for opened in (waiting, file):
            with suppress(OSError):  # they would try once more to write what a full disk has refused
                opened.close()


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """What the system refuses to write becomes an `ArtifactError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path} can't be written: {error.strerror}") from error


def join(folder: Path, parts: Sequence[tuple[Path, pd.DataFrame]]) -> None:
    """Join containers of one zip each. Zips move; those with unwanted photographs are written again without them.

    Args:
        folder: of the new container.
        parts: folder of each container, and the rows of its manifest that are wanted, at least one.

    Raises:
        ArtifactError: something can't be written.
    """
    with faults_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    as_they_are = []
    for number, (part, rows) in enumerate(parts):
        old, new = part / file_name(0), folder / file_name(number)
        with zipfile.ZipFile(old) as archive:
            if len(archive.namelist()) == len(rows):
                as_they_are.append((old, new))
            else:
                _write_some(archive, rows, new)
    for old, new in as_they_are:  # last and quickly: after a kill, what has moved must be made again
        with faults_named(new):
            shutil.move(old, new)  # a rename, unless they lie on two disks
    _write_tables(folder, [rows for _, rows in parts])


def file_name(number: int) -> str:
    """The name of a zip, by its number from 0; they are numbered without gaps."""
    return f"photographs-{number:05}.zip"


def _write_some(archive: zipfile.ZipFile, table: pd.DataFrame, path: Path) -> None:
    """A zip of those members of another that a manifest lists: sorted, stored, all of one constant time."""
    members = sorted({_member(name) for name in table["name"]})
    with faults_named(path):
        write_zip(path, ((member, archive.read(member)) for member in members))


def _write_tables(folder: Path, tables: Sequence[pd.DataFrame]) -> None:
    """The manifest, and how many of its photographs each zip holds; a table for each zip."""
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=manifest.COLUMNS)
    held = [(file_name(number), len(rows)) for number, rows in enumerate(tables)]
    counts = pd.DataFrame(held, columns=["file", "photographs"])
    for path, content in ((folder / MANIFEST, table), (folder / SHARDS, counts)):
        with faults_named(path):
            write_table(path, content)


class Container:
    """Read access to a folder that `write` or `join` filled, in which each split of `needed` must have a photograph.

    Raises:
        ArtifactError: at opening, if the manifest or shards.csv is missing, damaged, or does not fit the other.
    """

    def __init__(self, folder: Path, needed: Sequence[str] = manifest.SPLITS) -> None:
        self.manifest = manifest.read(folder / MANIFEST, needed)
        held = read_table(folder / SHARDS, ["file"])
        if [*held] != ["file", "photographs"] or held["photographs"].sum() != len(self.manifest):
            raise ArtifactError(f"{folder / SHARDS}: not of the same photographs as {MANIFEST}; run `dvc repro`")
        files = np.repeat(held["file"].to_numpy(), held["photographs"])
        self._rows = self.manifest.assign(file=files).set_index("name", drop=False)
        self._folder = folder
        self._zip = lru_cache(OPEN)(lambda file: zipfile.ZipFile(folder / file))

    def read(self, name: str) -> np.ndarray:
        """One photograph as `(height, width, 3)` uint8, sRGB, checked against its manifest row.

        Raises:
            ArtifactError: zip or photograph is missing, damaged, or not the one in the manifest.
            KeyError: the manifest has no such name.
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
