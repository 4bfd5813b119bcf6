"""Other photographs: which patches are read, and that training takes as long."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.common.settings import SettingsError
from stages.formats.patches import PatchSet
from stages.study.work import Chosen, averages, first, yardsticks
from tests import samples

ORDER = ("zebra", "apple", "mango", "kiwi")


def patches(folder: Path, photos: list[str], shards: list[int], start: int = 0) -> Path:
    """Flat patches, each of the level of its number."""
    numbers = np.arange(start, start + len(photos), dtype=np.uint8)
    levels = np.tile(numbers[:, None, None, None], (1, 12, 12, 1))
    index = pd.DataFrame({"photo": photos, "domain": "everyday", "row": 0, "column": np.arange(len(photos))})
    return samples.write_patches(folder, index, levels.repeat(3, axis=3), levels, shards=shards).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """9 patches of the photographs zebra, apple and mango, in this order, in shards of 6 and 3."""
    return patches(tmp_path_factory.mktemp("patches"), ["zebra"] * 2 + ["apple"] * 4 + ["mango"] * 3, [6, 3])


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two more, of the photograph kiwi."""
    return patches(tmp_path_factory.mktemp("other"), ["kiwi"] * 2, [2], start=9)


@pytest.mark.parametrize(
    ("photographs", "numbers", "shards"),
    [
        (["zebra"], [0, 1], [(0, 2)]),
        (["zebra", "apple"], [0, 1, 2, 3, 4, 5], [(0, 6)]),
        (["mango", "zebra"], [0, 1, 6, 7, 8], [(0, 2), (2, 5)]),
        (["zebra", "apple", "mango"], list(range(9)), [(0, 6), (6, 9)]),
        (["mango", "kiwi"], [6, 7, 8, 9, 10], [(0, 3), (3, 5)]),  # of two sets
    ],
)
def test_chosen_photographs_read_like_a_patch_set(
    folder: Path, other: Path, photographs: list[str], numbers: list[int], shards: list[tuple[int, int]]
) -> None:
    chosen = Chosen([PatchSet(folder), PatchSet(other)], photographs)
    assert (len(chosen), chosen.shards, chosen.patch) == (len(numbers), shards, 12)
    assert chosen.read("gray")[:, 0, 0, 0].tolist() == numbers
    backwards = chosen.read("colour", np.arange(len(numbers))[::-1])
    assert backwards[:, 0, 0, 2].tolist() == numbers[::-1]
    assert chosen.index["photo"].unique().tolist() == [name for name in ORDER if name in photographs]
    with pytest.raises(IndexError):
        chosen.read("gray", np.array([len(numbers)]))


def test_photographs_that_are_not_there_are_refused(folder: Path) -> None:
    assert first(PatchSet(folder), 2) == ["zebra", "apple"]
    with pytest.raises(SettingsError, match=r"photographs is 4; .* has 3$"):
        first(PatchSet(folder), 4)
    with pytest.raises(SettingsError, match="no patches of kiwi"):
        Chosen([PatchSet(folder)], ["kiwi"])


def test_yardsticks_are_formulae_and_codes_of_as_many_numbers(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (20, 12, 12, 3), np.uint8)
    gray = np.rint(colour @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    index = pd.DataFrame({"photo": "a", "domain": "everyday", "row": 0, "column": range(20)})
    train = samples.write_patches(tmp_path, index, colour, gray, shards=[20])
    formulae = ["luma", "mean_rgb", "conv1x1"]
    assert list(yardsticks(train, 144)) == formulae  # a code of as many numbers as pixels is the identity
    found = {name: averages(method, train) for name, method in yardsticks(train, 100).items()}
    assert list(found) == [*formulae, "pca", "dct", "dct_radial"]
    assert found["luma"]["exact"] == 1
    assert found["pca"]["mse"] < min(found["dct"]["mse"], found["dct_radial"]["mse"])  # fitted on these patches
    assert averages(yardsticks(train, 144)["luma"], train, level=25)["psnr"] < 30
