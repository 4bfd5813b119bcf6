"""The packed form of a set of photographs: one zip of lossless PNG files, and the manifest beside it.

One file, because DVC is far slower on many small ones. A stored zip gives random access and a CRC per member.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from PIL import Image, PngImagePlugin

from stages.artifacts import ArtifactError, write_table, write_zip
from stages.fetch import manifest

PHOTOGRAPHS, MANIFEST = "photographs.zip", "manifest.csv"


class Writer(Mapping[str, bytes]):
    """Packs photographs into `folder`, one at a time: memory holds one, a nameless file in `folder` the others.

    They wait there as PNG, by the names of the zip's members, because those are sorted and because it may turn out at
    the end that some are not wanted. `close` writes those of a table; without it, nothing is left.

    Raises:
        ArtifactError: something can't be written, such as on a full disk; names it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, tuple[int, int]] = {}
        with faults_named(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._waiting = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # open until __exit__

    def add(self, name: str, pixels: np.ndarray) -> None:
        """Take in the photograph `name`, `(height, width, 3)` uint8."""
        with faults_named(self.folder / PHOTOGRAPHS):
            start = self._waiting.tell()
            Image.fromarray(pixels).save(self._waiting, format="PNG")
            self._places[_member(name)] = start, self._waiting.tell() - start

    def close(self, table: pd.DataFrame) -> None:
        """Write the manifest `table` and the photographs that it lists."""
        wanted = {_member(name) for name in table["name"]}
        self._places = {member: place for member, place in self._places.items() if member in wanted}
        with faults_named(self.folder / PHOTOGRAPHS):
            write_zip(self.folder / PHOTOGRAPHS, self)
        with faults_named(self.folder / MANIFEST):
            write_table(self.folder / MANIFEST, table)

    def __getitem__(self, member: str) -> bytes:
        start, length = self._places[member]
        self._waiting.seek(start)
        return self._waiting.read(length)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        with suppress(OSError):  # it would try once more to write what a full disk has refused
            self._waiting.close()


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """What the system refuses to write becomes an `ArtifactError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path} can't be written: {error.strerror}") from error


class Container:
    """Read access to a folder that `Writer` filled, in which each split of `needed` must have a photograph.

    Raises:
        ArtifactError: at opening, if the manifest or the zip is missing or damaged; at reading, if a photograph is
            missing, damaged, or not the one in the manifest.
    """

    def __init__(self, folder: Path, needed: Sequence[str] = manifest.SPLITS) -> None:
        self.manifest = manifest.read(folder / MANIFEST, needed)
        self._rows = self.manifest.set_index("name", drop=False)
        self._path = folder / PHOTOGRAPHS
        try:
            self._zip = zipfile.ZipFile(self._path)
        except (FileNotFoundError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{self._path}: {error}; run `dvc repro`") from error

    def read(self, name: str) -> np.ndarray:
        """One photograph as `(height, width, 3)` uint8, sRGB, checked against its manifest row."""
        row = self._rows.loc[name]
        try:
            # not Image.open, which refuses more than 179 megapixels
            with PngImagePlugin.PngImageFile(io.BytesIO(self._zip.read(_member(name)))) as image:
                pixels = np.asarray(image)
        except (KeyError, zipfile.BadZipFile, OSError, SyntaxError) as error:
            raise ArtifactError(f"{self._path}: photograph {name!r} can't be read: {error}") from error
        manifest.verify(row, pixels)
        return pixels


def _member(name: str) -> str:
    return f"{name}.png"
