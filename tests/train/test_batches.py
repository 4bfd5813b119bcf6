"""The batches of training and validation: every patch once, in an order and augmented as the seed says."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grayscale.core.levels import to_unit
from stages.common import settings
from stages.common.settings import Recipe
from stages.formats.patches import PatchSet
from stages.train import batches
from tests import patch_sets
from tests.conftest import REPOSITORY

RECIPE = settings.load(REPOSITORY / "params.yaml").train.recipe


def recipe(**changes: object) -> Recipe:
    return RECIPE.model_copy(update={"batch": 10, **changes})


def seen(patches: PatchSet, epoch: int = 1, **changes: object) -> np.ndarray:
    """What the network sees in an epoch."""
    of = batches.TrainingBatches(patches, recipe(**changes), "float64")
    of.begin(epoch)
    return np.concatenate([of[step][0] for step in range(len(of))])


def test_an_epoch_shows_every_patch_once_in_an_order_of_its_seed(patch_set: PatchSet) -> None:
    plain = {"flips": False, "quarter_turns": False}
    first = seen(patch_set, **plain)
    assert sorted(map(bytes, first)) == sorted(map(bytes, to_unit(patch_set.read("colour"))))
    assert np.array_equal(first, seen(patch_set, **plain))
    for other in (seen(patch_set, epoch=2, **plain), seen(patch_set, seed=99, **plain)):
        assert not np.array_equal(first, other)


def test_augmentation_follows_from_the_seed_and_the_epoch(tmp_path: Path) -> None:
    """All patches are the same one, so that their order shows nothing."""
    colour = np.random.default_rng(5).integers(0, 256, (1, 12, 12, 3), np.uint8).repeat(40, axis=0)
    index = pd.DataFrame({"photo": "noise", "domain": "everyday", "row": 0, "column": np.arange(40)})
    alike = patch_sets.write(tmp_path, index, colour, colour[..., :1], shards=[40])
    first = seen(alike)
    assert np.array_equal(first, seen(alike))
    for other in (seen(alike, epoch=2), seen(alike, seed=99)):
        assert not np.array_equal(first, other)


def test_replicas_leave_out_what_they_can_not_share(patch_set: PatchSet) -> None:
    parts = batches.TrainingBatches(patch_set, recipe(batch=20), "float64", replicas=5)
    assert parts.patches == 45
    assert [len(parts[step][0]) for step in range(len(parts))] == [20, 20, 5]


def test_validation_shows_every_patch_once_in_order(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "VALIDATION_BATCH", 11)
    unseen = batches.ValidationBatches(patch_set, recipe(), "float64")
    images, targets = zip(*(unseen[step] for step in range(len(unseen))), strict=True)
    assert [len(batch) for batch in images] == [9, 10, 9, 10, 10]
    assert np.array_equal(np.concatenate(images), to_unit(patch_set.read("colour")))
    assert np.array_equal(np.concatenate(targets), to_unit(patch_set.read("gray")))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 7))
def test_an_order_has_every_patch_once_however_it_is_read(sizes: list[int], batch: int) -> None:
    starts = np.cumsum([0, *sizes]).tolist()
    order = batches.Order(list(pairwise(starts)), [1, 2, 0])
    read = [order.numbers(start, min(start + batch, starts[-1])) for start in range(0, starts[-1], batch)]
    assert sorted(np.concatenate(read)) == list(range(starts[-1]))
    last = batches.Order(list(pairwise(starts)), [1, 2, 0]).numbers(starts[-1] - len(read[-1]), starts[-1])
    assert np.array_equal(last, read[-1])


def test_few_shards_are_shuffled_together_and_of_many_only_a_few_are_read_at_a_time() -> None:
    few = batches.Order([(0, 50), (50, 60), (60, 100)], [7, 1, 0])
    assert np.array_equal(few.numbers(0, 100), np.random.default_rng([7, 1, 0]).permutation(100))
    shards = [(start, start + 10) for start in range(0, 200, 10)]
    many, again = (batches.Order(shards, [7, epoch, 0]).numbers(0, 200) for epoch in (1, 2))
    for window in many.reshape(-1, 10 * batches.WINDOW):
        assert len(set(window // 10)) == batches.WINDOW
        assert not np.array_equal(window, np.sort(window))
    assert set(many[:40] // 10) != set(again[:40] // 10)


def test_colour_and_target_are_turned_alike(patch_set: PatchSet) -> None:
    colour, gray = batches.TrainingBatches(patch_set, recipe(batch=48), "float64")[0]
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - gray[..., 0]).max() <= 0.51 / 255


@given(st.booleans(), st.integers(0, 3))
def test_augmentation_is_the_symmetry_that_it_says(mirrored: bool, turns: int) -> None:
    patch = np.arange(48).reshape(1, 4, 4, 3)
    wanted = np.rot90(patch[0][:, ::-1] if mirrored else patch[0], turns)
    assert np.array_equal(batches.augment(patch, np.array([mirrored]), np.array([turns]))[0], wanted)
