"""Photographs of any name are read from the container as they were written."""

import resource
import signal
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.formats import container
from tests.formats.packed import noise, table, write

NAMES = ["NA", "001", "1e5", "nan", "a b", "a,b", 'say "a"', " a ", "-", "ä/日本/é", "a-b", "a.b", "a", "'", "\\"]
A_AND_B = {name: noise(100, 100, seed) for seed, name in enumerate("ab")}  # each 30 kB


def opened(folder: Path) -> container.Container:
    return container.Container(folder, needed=("train",))


@settings(max_examples=30)
@example(NAMES)
@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), min_size=1, unique=True))
def test_photographs_of_any_name_are_read_as_written_in_their_order(names: list[str]) -> None:
    photographs = {name: noise(2, 2 + number, number) for number, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as folder:
        found = opened(write(Path(folder), photographs))
        assert found.manifest["name"].tolist() == names
        assert set(found.manifest["licence"]) == {"NA"}
        assert all(np.array_equal(found.read(name), pixels) for name, pixels in photographs.items())


def test_the_bytes_of_a_zip_do_not_depend_on_the_order_or_the_time(tmp_path: Path) -> None:
    photographs = {name: noise(5, 6, number) for number, name in enumerate(NAMES)}
    write(tmp_path / "a", photographs)
    write(tmp_path / "b", dict(reversed(photographs.items())))
    written = (tmp_path / "a/photographs-00000.zip").read_bytes()
    assert (tmp_path / "b/photographs-00000.zip").read_bytes() == written
    with zipfile.ZipFile(tmp_path / "a/photographs-00000.zip") as archive:
        assert archive.namelist() == sorted(f"{name}.png" for name in NAMES)
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_photographs_above_pillows_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, A_AND_B)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    assert opened(tmp_path).read("a").shape == (100, 100, 3)


@pytest.fixture
def of_many_zips(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    photographs = {f"{number:02}": noise(3, 4, number) for number in range(24)}
    parts = []
    for start in range(0, 24, 2):
        part = dict(list(photographs.items())[start : start + 2])
        parts.append((write(tmp_path / "parts" / str(start), part), table(part)))
    container.join(tmp_path / "joined", parts)
    return tmp_path / "joined", photographs


def test_reading_in_any_order_keeps_few_zips_open(of_many_zips: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, photographs = of_many_zips
    joined = opened(folder)
    assert joined.manifest["name"].tolist() == list(photographs)
    names = np.random.default_rng(0).permutation([*photographs] * 3)
    before = psutil.Process().num_fds()
    for name in names:
        assert np.array_equal(joined.read(name), photographs[name])
        assert psutil.Process().num_fds() - before <= container.OPEN


def test_a_list_of_zips_that_does_not_match_the_manifest_is_refused(of_many_zips: tuple[Path, object]) -> None:
    path = of_many_zips[0] / "shards.csv"
    for text in (path.read_text().replace("00003.zip,2", "00003.zip,1"), "file\nphotographs-00000.zip\n"):
        path.write_text(text)
        with pytest.raises(ArtifactError, match=r"shards\.csv does not match manifest\.csv; run `dvc repro`"):
            opened(of_many_zips[0])


def test_a_missing_zip_or_another_photograph_is_named(of_many_zips: tuple[Path, object]) -> None:
    folder, _ = of_many_zips
    (folder / "photographs-00003.zip").unlink()
    write(folder / "other", {"08": noise(3, 4, 99)})
    (folder / "other/photographs-00000.zip").replace(folder / "photographs-00004.zip")
    joined = opened(folder)
    assert joined.read("05").shape == (3, 4, 3)
    with pytest.raises(ArtifactError, match=r"photographs-00003\.zip: photograph '06' can't be read: .*No such file"):
        joined.read("06")
    with pytest.raises(ArtifactError, match="photograph '08' has sha256"):
        joined.read("08")


def test_an_empty_container_has_no_zip(tmp_path: Path) -> None:
    write(tmp_path, {})
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.csv", "shards.csv"}
    assert (tmp_path / "shards.csv").read_text() == "file,photographs\n"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Like a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 5_000, 60_100, 60_500])  # of a PNG, of the zip, of its directory
def test_a_failed_write_is_named_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    refused = pytest.raises(ArtifactError, match=r"photographs-00000\.zip can't be written: File too")
    with files_no_larger_than(size), refused:
        write(tmp_path, A_AND_B)
    assert list(tmp_path.iterdir()) == []
