"""The manifest decides which photographs there are and on which side each stands."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from stages.common.artifacts import ArtifactError
from stages.fetch.photograph import Photograph
from stages.fetch.sources import bundled
from stages.formats import manifest
from tests.conftest import REPOSITORY
from tests.fetch import files

LISTED = REPOSITORY / "stages/fetch/bundled.csv"


@pytest.fixture
def table() -> pd.DataFrame:
    return manifest.read(LISTED)


def test_the_test_split_holds_everyday_photographs_and_histology(table: pd.DataFrame) -> None:
    assert table["sha256"].is_unique
    assert table.loc[table["name"].str.startswith("motorcycle"), "scene"].nunique() == 1  # a stereo pair
    domains = set(table.loc[table["split"] == "test", "domain"])
    assert domains == {"everyday", "histology"}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda t: t.drop(columns="licence"), "no column licence"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "listed twice: astronaut"),
        (lambda t: t.assign(split="holdout"), "unknown split holdout"),
        (lambda t: t[t["split"] != "validation"], "no photograph in split validation"),
        (lambda t: t.assign(scene="all"), "scene all stands in more than one split"),
    ],
)
def test_an_unusable_manifest_is_refused(tmp_path: Path, table: pd.DataFrame, edit: object, words: str) -> None:
    path = tmp_path / "manifest.csv"
    edit(table).to_csv(path, index=False)  # type: ignore[operator]
    with pytest.raises(ArtifactError, match=words):
        manifest.read(path)


def test_a_photograph_that_is_not_the_one_in_the_manifest_is_refused(table: pd.DataFrame) -> None:
    row = table.set_index("name", drop=False).loc["chelsea"]
    pixels = bundled.read("chelsea", "scikit-image")
    manifest.verify(row, pixels)
    changed = pixels.copy()
    changed[0, 0, 0] ^= 1
    with pytest.raises(ArtifactError, match="'chelsea' has sha256"):
        manifest.verify(row, changed)
    with pytest.raises(ArtifactError, match=r"'chelsea' is \(299, 451, 3\)"):
        manifest.verify(row, pixels[1:])


def test_only_the_splits_that_are_needed_must_have_a_photograph(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "manifest.csv"
    table[table["split"] == "test"].to_csv(path, index=False)
    assert len(manifest.read(path, needed=("test",))) == 3
    with pytest.raises(ArtifactError, match="no photograph in split train, validation"):
        manifest.read(path)


def test_text_is_read_letter_by_letter(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "manifest.csv"
    odd = table.assign(name=["NA", "001", "1e5", "null", "True", "", " a", "a", "b", "c", "d"], licence="NA", scene="7")
    odd.assign(split="test").to_csv(path, index=False)
    found = manifest.read(path, needed=("test",))
    assert found["name"].tolist() == odd["name"].tolist()
    assert set(found["licence"]) == {"NA"}
    assert set(found["scene"]) == {"7"}
    assert found["height"].tolist() == table["height"].tolist()


def test_the_bundled_photographs_are_those_of_the_list(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "list.csv"
    wanted = table[table["name"].isin(["coffee", "chelsea"])]
    wanted.to_csv(path, index=False)
    found = listed(path)
    assert [(photo.name, photo.split, photo.scene) for photo in found] == [
        ("coffee", "test", "coffee"), ("chelsea", "test", "chelsea"),
    ]  # fmt: skip
    assert [manifest.hash_pixels(photo.pixels) for photo in found] == wanted["sha256"].tolist()

    path.write_text(path.read_text().replace(wanted["sha256"].iloc[1], "0" * 64))
    with pytest.raises(ArtifactError, match="'chelsea' has sha256"):
        listed(path)


def listed(path: Path) -> list[Photograph]:
    plan = bundled.plan(bundled.Settings(source="bundled", inputs=str(path)), Path("unused"))
    return [found for found in files.given(plan) if isinstance(found, Photograph)]


@pytest.mark.parametrize(
    ("name", "source"), [("nobody", "scikit-image"), ("nobody", "scikit-learn"), ("chelsea", "the web")]
)
def test_a_photograph_that_is_not_there_is_named(name: str, source: str) -> None:
    with pytest.raises(ArtifactError, match=name):
        bundled.read(name, source)
