"""Write and read the files of stages: atomic, and the same bytes for the same content.

Times, random names and memory addresses are taken out of the formats that contain them.
"""

import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grayscale.core import hashes
from grayscale.core.atomic import atomic

DIGITS = 7  # significant digits of floats in text: the last bits of a sum depend on the number of cores
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip


class ArtifactError(Exception):
    """A file that a stage reads is missing, damaged, or not the one in its manifest."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file, or nothing."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a whole file in UTF-8, or nothing."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """Indented JSON in the order given, floats at 7 significant digits; `ValueError` for NaN and infinity."""
    rounded = json.loads(json.dumps(content), parse_float=lambda number: float(f"{float(number):.{DIGITS}g}"))
    write_text(path, json.dumps(rounded, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """CSV with floats at 7 significant digits."""
    write_text(path, table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n"))


def read_table(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV table whose columns `text` stay strings, even `NA`; `ArtifactError` if it is missing or damaged."""
    try:
        numbers = pd.read_csv(path, nrows=0).columns.difference(text)
        return pd.read_csv(
            path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=dict.fromkeys(numbers, "")
        )
    except (FileNotFoundError, ValueError) as error:
        raise ArtifactError(f"{path}: {error}; run `dvc repro`") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file; `ArtifactError` if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise ArtifactError(f"{path}: {error}; run `dvc repro`") from error


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hexadecimal; `ArtifactError` if it is missing."""
    try:
        return hashes.sha256(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: not found; run `dvc repro`") from error


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """An uncompressed zip of members (name, content), all with one constant time."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), content)


def write_model(path: Path, model: Any) -> None:
    """Save a Keras model as a `.keras` file whose bytes depend on the model alone.

    Keras writes the time into the zip and metadata.json, and memory addresses into config.json as `shared_object_id`.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        with zipfile.ZipFile(f"{folder}/model.keras") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    metadata = {**json.loads(members["metadata.json"]), "date_saved": "1980-01-01@00:00:00"}
    members["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    shared = re.compile(r'(?<="shared_object_id": )\d+')
    config = members["config.json"].decode()
    numbers = list(dict.fromkeys(shared.findall(config)))  # in order of appearance
    members["config.json"] = shared.sub(lambda match: str(numbers.index(match[0])), config).encode()
    write_zip(path, sorted(members.items()))
