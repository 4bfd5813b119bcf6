"""Fewer photographs: which patches are left, and that training takes as long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common import settings
from stages.common.settings import SettingsError
from stages.formats.patches import PatchSet
from stages.study.work import FirstPhotographs, with_equal_steps
from tests import patch_sets
from tests.conftest import REPOSITORY

SIMPLE = settings.load(REPOSITORY / "params.yaml").variants["simple"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """9 patches of the photographs zebra, apple and mango, in this order, in shards of 6 and 3."""
    levels = np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1).repeat(12, axis=1).repeat(12, axis=2)
    photos = ["zebra"] * 2 + ["apple"] * 4 + ["mango"] * 3
    index = pd.DataFrame({"photo": photos, "domain": "everyday", "row": 0, "column": np.arange(9)})
    folder = tmp_path_factory.mktemp("patches")
    return patch_sets.write(folder, index, levels.repeat(3, axis=3), levels, shards=[6, 3]).folder


@pytest.mark.parametrize(
    ("photographs", "patches", "shards"),
    [(1, 2, [(0, 2)]), (2, 6, [(0, 6)]), (3, 9, [(0, 6), (6, 9)]), (None, 9, [(0, 6), (6, 9)])],
)
def test_the_first_photographs_are_those_of_the_index(
    folder: Path, photographs: int | None, patches: int, shards: list[tuple[int, int]]
) -> None:
    subset = FirstPhotographs(folder, photographs)
    assert len(subset) == patches
    assert subset.shards == shards
    with pytest.raises(IndexError):
        subset.read("gray", np.array([patches]))
    assert subset.of_all == 9
    assert subset.photographs == (photographs or 3)
    assert subset.read("gray")[:, 0, 0, 0].tolist() == list(range(patches))
    assert subset.read("colour", np.array([1, 0]))[:, 0, 0, 2].tolist() == [1, 0]
    assert subset.index["photo"].tolist() == PatchSet(folder).index["photo"].tolist()[:patches]


def test_more_photographs_than_there_are_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"photographs is 4; .* has 3$"):
        FirstPhotographs(folder, 4)


def test_all_photographs_change_nothing() -> None:
    assert with_equal_steps(SIMPLE, 3111, 3111) == SIMPLE


def test_one_photograph_of_290_patches_is_seen_79_times() -> None:
    # 3,111 patches in batches of 32 are 98 steps, 784 in eight epochs; 290 patches are 10 steps.
    changed = with_equal_steps(SIMPLE, 290, 3111)
    assert (changed.epochs, changed.warmup_epochs, changed.patience) == (79, 10, 40)


@given(of_all=st.integers(1, 10_000), share=st.floats(0, 1), batch=st.integers(1, 64), epochs=st.integers(2, 30))
def test_a_subset_takes_as_many_steps_or_less_than_an_epoch_more(
    of_all: int, share: float, batch: int, epochs: int
) -> None:
    patches = max(1, round(share * of_all))
    variant = SIMPLE.model_copy(update={"batch": batch, "epochs": epochs})
    changed = with_equal_steps(variant, patches, of_all)
    steps = [-(-count // batch) for count in (of_all, patches)]
    assert 0 <= changed.epochs * steps[1] - epochs * steps[0] < steps[1]
    assert changed.warmup_epochs < changed.epochs
    settings.Variant.model_validate(changed.model_dump())
