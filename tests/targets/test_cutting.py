"""Photographs are cut into patch sets in bounded memory, with the same result after an interruption."""

import tracemalloc
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grayscale import conversions
from stages.common.artifacts import ArtifactError
from stages.common.engine import Engine
from stages.common.settings import Targets
from stages.formats import manifest, patches
from stages.targets import cutting
from tests import samples

NAME = '"{}", ä'
SIDES = ["train", "test", "train", "validation", "train", "train", "test", "train"]
HEIGHTS = [40, 60, 40, 70, 11, 200, 50, 90]  # of 50 pixels width: 12 patches of 12 for every 40, none for 11
FLAT = {5, 6}  # all patches are near-empty
SETTINGS = Targets(conversion="gradient_correlation", patch=12, stride=12, min_contrast=5, shard_patches=30)


def cut(photos: Path, folder: Path, **changes: object) -> pd.DataFrame:
    engine = Engine(engine="local", workers=1, address="auto")
    outs = {split: folder / split for split in manifest.SPLITS}
    return cutting.cut_photographs(photos, SETTINGS.model_copy(update=changes), outs, folder / "kept", engine)


def content(folder: Path) -> dict[Path, bytes]:
    files = [path for split in manifest.SPLITS for path in (folder / split).iterdir()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def photograph(number: int) -> np.ndarray:
    pixels = samples.leaves(number, HEIGHTS[number], 50)
    return np.full_like(pixels, 90) if number in FLAT else pixels


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photographs of mixed splits; one is smaller than a patch, two have no contrast."""
    return samples.pack(tmp_path_factory.mktemp("photos"), {NAME.format(n): photograph(n) for n in range(8)}, SIDES)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 60))
def test_groups_are_as_large_as_possible_or_one_large_photograph(sizes: list[int], most: int) -> None:
    groups = cutting.plan(sizes, most)
    assert [number for start, stop in groups for number in range(start, stop)] == [*range(len(sizes))]
    for start, stop in groups:
        assert stop > start
        assert sum(sizes[start:stop]) <= most or stop == start + 1
        assert stop == len(sizes) or sum(sizes[start : stop + 1]) > most


def test_shards_hold_whole_photographs_in_order_in_files_as_of_numpy(photos: Path, tmp_path: Path) -> None:
    counts = cut(photos, tmp_path)
    assert counts["patches"].tolist() == [12, 20, 12, 20, 0, 64, 16, 28]
    assert counts["photo"].tolist() == [NAME.format(number) for number in range(8)]
    assert counts["kept"][[4, *FLAT]].tolist() == [0, 0, 0]
    assert cutting.left_out(counts) == "1 of 8 photographs are smaller than a patch; see data/pairs/counts.csv"
    assert cutting.left_out(counts[:3]) == ""
    first, last = counts["kept"][[0, 2]].sum(), counts["kept"][7]
    train = patches.PatchSet(tmp_path / "train")
    assert train.shards == [(0, first), (first, first + last)]  # the flat one was a shard of its own
    assert patches.PatchSet(tmp_path / "test").shards == [(0, counts["kept"][1])]
    files = sorted((tmp_path / "train").glob("*.npy"))
    assert [path.stem for path in files] == ["colour-00000", "colour-00001", "gray-00000", "gray-00001"]
    for path in files:
        np.save(tmp_path / "saved.npy", np.load(path))
        assert (tmp_path / "saved.npy").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("conversion", "stride"), [("bt601", 5), ("gradient_correlation", 12)])
def test_patches_are_cut_from_the_gray_of_the_whole_photograph(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conversion: str, stride: int
) -> None:
    monkeypatch.setattr(cutting, "PIXELS", 7 * 144 + 1)  # blocks of seven patches
    monkeypatch.setattr(conversions, "STRIPE", 20 * 50 + 1)  # stripes of twenty rows
    cut(photos, tmp_path, conversion=conversion, stride=stride)
    whole = getattr(conversions, conversion)
    for split in manifest.SPLITS:
        colours, grays, index = [], [], ["photo,domain,row,column"]
        for number, side in enumerate(SIDES):
            colour = photograph(number)
            gray = whole(colour)[..., None]
            for row in range(0, HEIGHTS[number] - 11, stride):
                for column in range(0, 50 - 11, stride):
                    piece = gray[row : row + 12, column : column + 12]
                    if side == split and piece.std() >= 5:
                        grays.append(piece)
                        colours.append(colour[row : row + 12, column : column + 12])
                        index.append(f'"""{number}"", ä",NA,{row},{column}')
        found = patches.PatchSet(tmp_path / split)
        assert np.array_equal(found.read("gray"), grays)
        assert np.array_equal(found.read("colour"), colours)
        assert (tmp_path / split / "index.csv").read_text(encoding="utf-8").splitlines() == index


def test_a_patch_with_exactly_the_minimum_contrast_is_kept(tmp_path: Path) -> None:
    """Half of a patch 95, half 105: the standard deviation is 5."""
    edge = np.full((24, 48, 3), 95, np.uint8)
    edge[:12, :6] = edge[:12, 12:18] = 105
    edge[12:, :6] = 104  # 4.5
    photos = samples.pack(tmp_path / "photos", dict.fromkeys(manifest.SPLITS, edge), manifest.SPLITS)
    assert cut(photos, tmp_path, conversion="bt601", min_contrast=5.0)["kept"].tolist() == [2, 2, 2]


def test_a_split_without_patches_is_named(tmp_path: Path) -> None:
    photographs = {"train": samples.leaves(0, 40, 50), "test": samples.leaves(0, 40, 50)}
    photographs["validation"] = np.full((40, 50, 3), 90, np.uint8)
    photos = samples.pack(tmp_path / "photos", photographs, photographs)
    with pytest.raises(ArtifactError, match=r"no patch is left in split validation; lower targets\.min_contrast"):
        cut(photos, tmp_path)


def test_a_killed_run_is_continued_from_its_finished_shards(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(photos, tmp_path)
    before = content(tmp_path)
    monkeypatch.setattr(cutting, "cut_group", Mock(side_effect=AssertionError("cut again")))
    cut(photos, tmp_path)  # after a kill between the last shard and the end of the stage
    assert content(tmp_path) == before


def test_memory_holds_one_photograph_and_few_of_its_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Photographs:
        def read(self, name: str) -> np.ndarray:
            return np.random.default_rng(3).integers(0, 256, (1000, 2000, 3), np.uint8)  # 6 MB, 31 MB of patches

    monkeypatch.setattr(cutting, "_opened", lambda photos: Photographs())
    monkeypatch.setattr(cutting, "PIXELS", 1 << 14)
    rows = pd.DataFrame({"name": ["a", "b", "c"], "domain": "NA", "height": 1000, "width": 2000})
    settings = SETTINGS.model_copy(update={"conversion": "bt601", "patch": 28, "stride": 14})
    tracemalloc.start()
    facts = cutting.cut_group(tmp_path, settings, rows, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts["kept"] == [70 * 141] * 3
    assert peak < 12_000_000
