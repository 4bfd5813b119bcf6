"""Packed photographs of any name are read as they were written; an invalid manifest is refused."""

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.fetch.sources import bundled
from stages.formats import container, manifest
from tests.conftest import REPOSITORY
from tests.fetch import files
from tests.samples import noise, pack, table

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
        found = opened(pack(Path(folder), photographs))
        assert found.manifest["name"].tolist() == names
        assert set(found.manifest["licence"]) == {"NA"}
        assert all(np.array_equal(found.read(name), pixels) for name, pixels in photographs.items())


def test_the_bytes_of_a_zip_do_not_depend_on_the_order_or_the_time(tmp_path: Path) -> None:
    photographs = {name: noise(5, 6, number) for number, name in enumerate(NAMES)}
    pack(tmp_path / "a", photographs)
    pack(tmp_path / "b", dict(reversed(photographs.items())))
    written = (tmp_path / "a/photographs-00000.zip").read_bytes()
    assert (tmp_path / "b/photographs-00000.zip").read_bytes() == written
    with zipfile.ZipFile(tmp_path / "a/photographs-00000.zip") as archive:
        assert archive.namelist() == sorted(f"{name}.png" for name in NAMES)
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_photographs_above_pillows_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path, A_AND_B)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    assert opened(tmp_path).read("a").shape == (100, 100, 3)


@pytest.fixture
def of_many_zips(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    photographs = {f"{number:02}": noise(3, 4, number) for number in range(24)}
    parts = []
    for start in range(0, 24, 2):
        part = dict(list(photographs.items())[start : start + 2])
        parts.append((pack(tmp_path / "parts" / str(start), part), table(part)))
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


def test_a_missing_zip_or_another_photograph_is_named(of_many_zips: tuple[Path, object]) -> None:
    folder, _ = of_many_zips
    (folder / "photographs-00003.zip").unlink()
    pack(folder / "other", {"08": noise(3, 4, 99)})
    (folder / "other/photographs-00000.zip").replace(folder / "photographs-00004.zip")
    joined = opened(folder)
    assert joined.read("05").shape == (3, 4, 3)
    with pytest.raises(ArtifactError, match=r"photographs-00003\.zip: photograph '06' can't be read: .*No such file"):
        joined.read("06")
    with pytest.raises(ArtifactError, match="photograph '08' has sha256"):
        joined.read("08")


# === The manifest ===

Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def listed() -> pd.DataFrame:
    """The list of the bundled photographs."""
    return manifest.read(REPOSITORY / "stages/fetch/bundled.csv")


def test_the_bundled_test_split_has_everyday_photographs_and_histology(listed: pd.DataFrame) -> None:
    assert listed["sha256"].is_unique
    assert listed.loc[listed["name"].str.startswith("motorcycle"), "scene"].nunique() == 1  # a stereo pair
    domains = set(listed.loc[listed["split"] == "test", "domain"])
    assert domains == {"everyday", "histology"}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda t: t.drop(columns="licence"), "no column licence"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "listed twice: astronaut"),
        (lambda t: t.assign(split="holdout"), "unknown split holdout"),
        (lambda t: t[t["split"] != "validation"], "no photograph in split validation; add some"),
        (lambda t: t.assign(scene="all"), "scene all is in more than one split"),
    ],
)
def test_an_invalid_manifest_is_refused(tmp_path: Path, listed: pd.DataFrame, edit: Edit, words: str) -> None:
    edit(listed).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ArtifactError, match=rf"manifest\.csv: {words}"):
        manifest.read(tmp_path / "manifest.csv")


def test_the_bundled_photographs_are_those_of_the_list(tmp_path: Path, listed: pd.DataFrame) -> None:
    def read(path: Path) -> list[Any]:
        return list(files.given(bundled.plan(bundled.Settings(source="bundled", inputs=str(path)), tmp_path)))

    path = tmp_path / "list.csv"
    wanted = listed[listed["name"].isin(["coffee", "chelsea"])]
    wanted.to_csv(path, index=False)
    found = read(path)
    assert [(photo.name, photo.split, photo.scene) for photo in found] == [
        ("coffee", "test", "coffee"), ("chelsea", "test", "chelsea"),
    ]  # fmt: skip
    assert [manifest.hash_pixels(photo.pixels) for photo in found] == wanted["sha256"].tolist()

    path.write_text(path.read_text().replace(wanted["sha256"].iloc[1], "0" * 64))
    with pytest.raises(ArtifactError, match="'chelsea' has sha256"):
        read(path)


@pytest.mark.parametrize(
    ("name", "source"), [("nobody", "scikit-image"), ("nobody", "scikit-learn"), ("chelsea", "the web")]
)
def test_a_missing_bundled_photograph_is_named(name: str, source: str) -> None:
    with pytest.raises(ArtifactError, match=name):
        bundled.read(name, source)
