"""The photographs of a source are packed, with a split, a list of faults and a message."""

import tempfile
import weakref
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.common.engine import Engine
from stages.fetch.pack import SHARD_BYTES, SHARD_ITEMS, Packed, grouped, pack
from stages.fetch.source import Photograph, Plan, Skipped, Source, Split
from stages.fetch.sources.folder import Settings as Folder
from stages.formats import container

HERE = Engine(engine="local", workers=1, address="auto")


def source(by: Any = "hash", *, strict: bool = False) -> Folder:
    return Folder(source="folder", inputs="photos", split=Split(by=by, validation=0.3, test=0.3), strict=strict)


def photograph(name: str, shade: int, side: str | None = None) -> Photograph:
    return Photograph(name, np.full((2, 3, 3), shade, np.uint8), "photos", "none", "everyday", side)


def shades(wanted: Iterable[int]) -> list[Any]:
    return [photograph(f"{shade}.png", shade) for shade in wanted]


def plan(read: Any, items: Sequence[Any]) -> Plan:
    return Plan(read, items, [0] * len(items))


def packed(folder: Path, given: Sequence[Photograph | Skipped], what: Source) -> Packed:
    with tempfile.TemporaryDirectory() as keep:
        return pack(folder, plan(lambda item: item, given), what, Path(keep), HERE)


def test_copies_are_one_scene_in_one_split_and_counted(tmp_path: Path) -> None:
    found = packed(tmp_path, [*shades(range(0, 250, 10)), photograph("copy.png", 40)], source())
    table = found.table.set_index("name")
    assert table.loc["copy.png", ["scene", "split"]].tolist() == table.loc["40.png", ["scene", "split"]].tolist()
    assert table["scene"].nunique() == len(table) - 1
    pair = [replace(each, scene="stereo", split="train") for each in shades((1, 2))]
    assert set(packed(tmp_path / "pair", [*pair, *shades(range(3, 30))], source()).table["scene"][:2]) == {"stereo"}
    assert "; 1 have the same pixels as another" in found.lines()
    assert found.skipped == []


def test_strict_lists_every_fault_and_writes_nothing(tmp_path: Path) -> None:
    given = [*shades(range(50)), Skipped("notes.txt", "no image by its extension", fault=False)]
    with pytest.raises(ArtifactError) as caught:
        packed(tmp_path, [*given, *(Skipped(f"{number}.jpg", "damaged") for number in range(30))], source(strict=True))
    assert all(f"{number}.jpg: damaged" in str(caught.value) for number in range(30))
    assert list(tmp_path.iterdir()) == []
    assert packed(tmp_path, given, source(strict=True)).ignored == 1


def test_the_message_lists_the_first_faults_and_the_table_all(tmp_path: Path) -> None:
    faults = [Skipped(f"{number:02}, x.jpg", "truncated") for number in range(30)]
    lines = packed(tmp_path, [*faults[::-1], *shades(range(50))], source()).lines().splitlines()
    assert lines[0] == "50 photographs, 0.0 megapixels"
    assert lines[1:3] == ["30 files skipped:", "  00, x.jpg: truncated"]
    assert lines[-1] == "  … and 10 more"
    assert len(lines) == 23
    assert pd.read_csv(tmp_path / "skipped.csv")["file"].tolist() == [fault.name for fault in faults]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "photos: no photograph in it; docs/sources.md says what is read"),
        ([Skipped("a.txt", "no image", fault=False)], "1 files are no images by their extension"),
        ([Skipped("a.jpg", "empty file")], "a.jpg: empty file"),
        (shades([0]), "; add some, or change the split"),
        ([photograph(f"{n}.png", n // 2) for n in range(50)] + [photograph("1.png", 9)], "listed twice: 1.png"),
    ],
)
def test_photographs_that_can_not_be_trained_on_are_refused(tmp_path: Path, given: list[Any], words: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        packed(tmp_path, given, source())
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_test_set_is_all_for_testing(tmp_path: Path) -> None:
    given = [photograph("a", 1, "train"), photograph("b", 2), photograph("c", 2, "validation")]
    found = packed(tmp_path, given, source().model_copy(update={"split": None}))
    assert found.table["split"].tolist() == ["test"] * 3
    with pytest.raises(ArtifactError, match="no photograph in split train, validation"):
        container.Container(tmp_path)


def test_memory_holds_one_photograph(tmp_path: Path) -> None:
    before: list[weakref.ref[np.ndarray]] = []

    def made(shade: int) -> Photograph:
        assert all(pixels() is None for pixels in before)
        (item,) = shades([shade])
        before.append(weakref.ref(item.pixels))
        return item

    pack(tmp_path, plan(made, range(50)), source(), tmp_path / "kept", HERE)
    assert len(before) == 50


# === Shards ===

SIZES = st.lists(st.sampled_from([0, 1, SHARD_BYTES // 3, SHARD_BYTES - 1, SHARD_BYTES, 5 * SHARD_BYTES]), max_size=40)


@every(sizes=SIZES, more=SIZES)
def test_shards_are_consecutive_and_full_ones_do_not_depend_on_later_items(sizes: list[int], more: list[int]) -> None:
    assert grouped([0] * (SHARD_ITEMS + 1)) == [slice(0, SHARD_ITEMS), slice(SHARD_ITEMS, SHARD_ITEMS + 1)]
    shards = grouped(sizes)
    assert [size for shard in shards for size in sizes[shard]] == sizes
    full = [shard for shard in shards if sum(sizes[shard]) >= SHARD_BYTES]
    assert all(sum(sizes[shard][:-1]) < SHARD_BYTES for shard in shards)
    assert len(shards) - len(full) <= 1  # the last
    assert grouped(sizes + more)[: len(full)] == full


def members(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_many_shards_give_the_tables_of_one_and_only_zips_with_dropped_copies_are_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.fetch.pack.SHARD_ITEMS", 3)
    on = ["train", "validation", *["test"] * 7]
    given: list[Photograph | Skipped] = [photograph(f"{shade}.png", shade, side) for shade, side in enumerate(on)]
    given[3:3] = [photograph(f"copy of {shade}.png", shade, "train") for shade in (2, 3, 4)]  # a whole shard
    given[7:7] = [photograph("copy of 1.png", 1, "train")]  # in a shard with others
    given[6:6] = [Skipped(f"{number}.jpg", "damaged") for number in range(3)]  # a whole shard
    of = plan(lambda item: item, given)
    pack(tmp_path / "unpublished", of, source("subfolder"), tmp_path / "kept", HERE)  # and then killed
    before = {path.parent.name: path.stat().st_ino for path in (tmp_path / "kept").glob("*/*.zip")}
    pack(tmp_path / "photos", of, source("subfolder"), tmp_path / "kept", HERE)

    held = pd.read_csv(tmp_path / "photos/shards.csv")
    zips = [tmp_path / "photos" / name for name in held["file"]]
    assert sorted((tmp_path / "photos").glob("*.zip")) == zips
    assert [members(path) for path in zips] == [
        ["0.png.png", "1.png.png", "2.png.png"], ["3.png.png", "4.png.png"],
        ["5.png.png", "6.png.png", "7.png.png"], ["8.png.png"],
    ]  # fmt: skip
    assert held["photographs"].tolist() == [3, 2, 3, 1]
    found = [path.stat().st_ino for path in zips]
    assert [found[0], *found[2:]] == [before["00000"], before["00004"], before["00005"]]
    opened = container.Container(tmp_path / "photos")
    assert opened.manifest["split"].tolist() == on
    assert all((opened.read(f"{shade}.png") == shade).all() for shade in range(9))
    assert (tmp_path / "photos/skipped.csv").read_text() == (
        "file,reason\n"
        + "".join(f"{number}.jpg,damaged\n" for number in range(3))
        + 'copy of 1.png,"same pixels as 1.png, which is in validation"\n'
        + "".join(f'copy of {shade}.png,"same pixels as {shade}.png, which is in test"\n' for shade in (2, 3, 4))
    )
    monkeypatch.setattr("stages.fetch.pack.SHARD_ITEMS", 100)
    packed(tmp_path / "one", given, source("subfolder"))
    assert sorted(name for path in zips for name in members(path)) == members(tmp_path / "one/photographs-00000.zip")
    for table in ("manifest.csv", "skipped.csv"):
        assert (tmp_path / "photos" / table).read_bytes() == (tmp_path / "one" / table).read_bytes()
