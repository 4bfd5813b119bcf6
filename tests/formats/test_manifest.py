"""An invalid manifest is refused; the bundled photographs are those of their list."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common.artifacts import ArtifactError
from stages.fetch.sources import bundled
from stages.formats import manifest
from tests.conftest import REPOSITORY
from tests.fetch import files
from tests.formats import packed
from tests.formats.packed import noise

Edit = Callable[[pd.DataFrame], pd.DataFrame]
LISTED = REPOSITORY / "stages/fetch/bundled.csv"


@pytest.fixture
def table() -> pd.DataFrame:
    return manifest.read(LISTED)


def test_the_bundled_test_split_has_everyday_photographs_and_histology(table: pd.DataFrame) -> None:
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
        (lambda t: t.assign(scene="all"), "scene all is in more than one split"),
    ],
)
def test_an_invalid_manifest_is_refused(tmp_path: Path, table: pd.DataFrame, edit: Edit, words: str) -> None:
    edit(table).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(ArtifactError, match=rf"manifest\.csv: {words}"):
        manifest.read(tmp_path / "manifest.csv")


def test_a_photograph_of_another_size_than_in_the_manifest_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"'a' is \(4, 3, 3\) uint8"):
        manifest.verify(packed.table({"a": noise(3, 4)}).iloc[0], noise(4, 3))


def test_the_bundled_photographs_are_those_of_the_list(tmp_path: Path, table: pd.DataFrame) -> None:
    def listed(path: Path) -> list[Any]:
        return list(files.given(bundled.plan(bundled.Settings(source="bundled", inputs=str(path)), tmp_path)))

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


@pytest.mark.parametrize(
    ("name", "source"), [("nobody", "scikit-image"), ("nobody", "scikit-learn"), ("chelsea", "the web")]
)
def test_a_missing_bundled_photograph_is_named(name: str, source: str) -> None:
    with pytest.raises(ArtifactError, match=name):
        bundled.read(name, source)
