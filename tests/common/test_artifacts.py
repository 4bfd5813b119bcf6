"""Writes are atomic and reproducible; reads detect damage."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common import artifacts
from stages.common.artifacts import ArtifactError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), artifacts.atomic(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_concurrent_writers_do_not_collide_and_links_are_not_followed(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "gray.png", tmp_path / "elsewhere"
    (tmp_path / ".gray.png.partial").symlink_to(elsewhere)
    with artifacts.atomic(path) as first, artifacts.atomic(path) as second:
        assert first != second
        first.write_bytes(b"one")
        second.write_bytes(b"two")
    assert path.read_bytes() == b"one"
    assert not elsewhere.exists()
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert len(list(tmp_path.glob(".*"))) == 1


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"NaN|nan"):
        artifacts.write_json(tmp_path / "a.json", {"psnr": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_text_columns_stay_strings_and_numbers_stay_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"photo": ["NA", "001", "", "nan", "1e5", "é, x"], "psnr": [1.5, None, np.inf, 0, -1e300, 2]})
    artifacts.write_table(tmp_path / "scores.csv", table)
    found = artifacts.read_table(tmp_path / "scores.csv", text=("photo", "domain"))
    assert found["photo"].tolist() == table["photo"].tolist()
    assert np.array_equal(found["psnr"], table["psnr"], equal_nan=True)


@pytest.mark.parametrize("read", [artifacts.read_table, artifacts.read_json, artifacts.sha256_of])
def test_a_missing_file_is_named(tmp_path: Path, read: object) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.csv.*dvc repro"):
        read(tmp_path / "gone.csv")  # type: ignore[operator]
