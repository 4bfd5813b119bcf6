"""The packed form of a set of photographs: one zip of lossless PNG files, and the manifest beside it.

One file, because DVC is far slower on many small ones. A stored zip gives random access and a CRC per member.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.artifacts import ArtifactError, write_table, write_zip
from stages.fetch import manifest


def write(folder: Path, table: pd.DataFrame, photographs: dict[str, np.ndarray]) -> None:
    """Write `photographs`, name → `(height, width, 3)` uint8, and their manifest rows into `folder`."""
    write_zip(folder / "photographs.zip", {f"{name}.png": _png(pixels) for name, pixels in photographs.items()})
    write_table(folder / "manifest.csv", table)


class Container:
    """Read access to a folder that `write` made.

    Raises:
        ArtifactError: at opening, if the manifest or the zip is missing or damaged; at reading, if a photograph is
            missing, damaged, or not the one in the manifest.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = manifest.read(folder / "manifest.csv")
        self._path = folder / "photographs.zip"
        try:
            self._zip = zipfile.ZipFile(self._path)
        except (FileNotFoundError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{self._path}: {error}; run `dvc repro fetch`") from error

    def read(self, name: str) -> np.ndarray:
        """One photograph as `(height, width, 3)` uint8, sRGB, checked against its manifest row."""
        row = self.manifest.set_index("name", drop=False).loc[name]
        try:
            with Image.open(io.BytesIO(self._zip.read(f"{name}.png"))) as image:
                pixels = np.asarray(image)
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise ArtifactError(f"{self._path}: photograph {name!r} can't be read: {error}") from error
        manifest.verify(row, pixels)
        return pixels


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
