"""Batches have every patch once, in an order, augmented and damaged by the seed; joined patches; random damage."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grayscale.core.levels import to_unit
from stages.common import settings
from stages.common.settings import Recipe
from stages.common.stage import StageError
from stages.formats.patches import PatchSet
from stages.train import batches, degrade, training
from stages.train.degrade import Damage
from tests import samples
from tests.conftest import REPOSITORY

PARAMS = settings.load(REPOSITORY / "params.yaml")
RECIPE = PARAMS.train.recipe
PLAIN = {"flips": False, "quarter_turns": False}
GRAY = np.full((40, 28, 28, 3), 128, np.uint8)


def recipe(**changes: object) -> Recipe:
    return RECIPE.model_copy(update={"batch": 10, **changes})


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def seen(patches: PatchSet, epoch: int = 1, **changes: object) -> np.ndarray:
    """The inputs of an epoch."""
    of = batches.TrainingBatches(patches, recipe(**changes), "float64")
    of.begin(epoch)
    return np.concatenate([of[step][0] for step in range(len(of))])


# === Order and augmentation ===


def test_an_epoch_has_every_patch_once(patch_set: PatchSet) -> None:
    assert sorted(map(bytes, seen(patch_set, **PLAIN))) == sorted(map(bytes, to_unit(patch_set.read("colour"))))


@pytest.mark.parametrize("alike", [False, True])  # copies of one patch, whose order does not show
def test_order_and_augmentation_depend_on_the_seed_and_the_epoch(
    patch_set: PatchSet, tmp_path: Path, alike: bool
) -> None:
    changes = {} if alike else PLAIN
    if alike:
        colour = rng(5).integers(0, 256, (1, 12, 12, 3), np.uint8).repeat(48, axis=0)
        patch_set = samples.write_patches(tmp_path, patch_set.index, colour, colour[..., :1], shards=[48])
    first, same, *others = (
        seen(patch_set, epoch=epoch, seed=seed, **changes) for epoch, seed in ((1, 1), (1, 1), (2, 1), (1, 99))
    )
    assert np.array_equal(first, same)
    assert not any(np.array_equal(first, other) for other in others)


def test_batches_are_multiples_of_the_replicas(patch_set: PatchSet) -> None:
    parts = batches.TrainingBatches(patch_set, recipe(batch=20), "float64", replicas=5)
    assert parts.patches == 45
    assert [len(parts[step][0]) for step in range(len(parts))] == [20, 20, 5]
    unseen = batches.ValidationBatches(patch_set, recipe(), "float64", replicas=5)  # all, but the first evenly
    assert [len(unseen[step][0]) for step in range(len(unseen))] == [20, 28]


def test_validation_has_every_patch_once_in_order(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "VALIDATION_BATCH", 11)
    unseen = batches.ValidationBatches(patch_set, recipe(), "float64")
    images, targets = zip(*(unseen[step] for step in range(len(unseen))), strict=True)
    assert [len(batch) for batch in images] == [9, 10, 9, 10, 10]
    assert np.array_equal(np.concatenate(images), to_unit(patch_set.read("colour")))
    assert np.array_equal(np.concatenate(targets), to_unit(patch_set.read("gray")))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_an_order_has_every_patch_once(sizes: list[int]) -> None:
    starts = np.cumsum([0, *sizes]).tolist()
    assert sorted(batches.shuffled(list(pairwise(starts)), [1, 2, 0])) == list(range(starts[-1]))


def test_few_shards_are_shuffled_together_and_many_in_windows() -> None:
    few = batches.shuffled([(0, 50), (50, 60), (60, 100)], [7, 1, 0])
    assert np.array_equal(few, np.random.default_rng([7, 1, 0]).permutation(100))
    shards = [(start, start + 10) for start in range(0, 200, 10)]
    many, again = (batches.shuffled(shards, [7, epoch, 0]) for epoch in (1, 2))
    assert many[38:44].tolist() == [144, 182, 62, 157, 15, 11]  # another order gives other weights
    for window in many.reshape(-1, 10 * batches.WINDOW):
        assert len(set(window // 10)) == batches.WINDOW
        assert not np.array_equal(window, np.sort(window))
    assert set(many[:40] // 10) != set(again[:40] // 10)


def test_colour_and_target_are_augmented_alike(patch_set: PatchSet) -> None:
    colour, gray = batches.TrainingBatches(patch_set, recipe(batch=48), "float64")[0]
    assert np.abs(colour @ np.array([0.299, 0.587, 0.114]) - gray[..., 0]).max() <= 0.51 / 255


@given(st.booleans(), st.integers(0, 3))
def test_augmentation_mirrors_and_turns(mirrored: bool, turns: int) -> None:
    patch = np.arange(48).reshape(1, 4, 4, 3)
    wanted = np.rot90(patch[0][:, ::-1] if mirrored else patch[0], turns)
    assert np.array_equal(batches.augment(patch, np.array([mirrored]), np.array([turns]))[0], wanted)


# === Random damage ===


def test_every_kind_has_its_frequency_and_its_limits() -> None:
    generator, again = rng(), rng()
    found = pd.DataFrame([degrade.draw(generator, 55) for _ in range(4000)])
    pd.testing.assert_frame_equal(found[:40], pd.DataFrame([degrade.draw(again, 55) for _ in range(40)]))
    noisy, counted, compressed = found["sigma"] > 0, found["photons"] > 0, found["quality"] > 0
    none = (found == Damage()).all(axis=1)
    shares = {"none": none, "noise": noisy & ~compressed, "photons": counted, "jpeg": compressed & ~noisy}
    shares["noise_jpeg"] = noisy & compressed
    assert {kind: rows.mean() for kind, rows in shares.items()} == pytest.approx(degrade.KINDS, abs=0.025)
    assert 50 < found["sigma"].max() <= 55
    weak = found["sigma"][shares["noise"]].median()
    assert weak == pytest.approx(55 * 0.5**1.5, rel=0.1)  # weak noise is more frequent than strong
    assert found["photons"][counted].min() >= (255 / 55) ** 2
    jpeg = found[compressed]
    assert (jpeg["quality"].min(), jpeg["quality"].max()) == (10, 95)
    assert len((jpeg[["row", "column"]] % 8).drop_duplicates()) == 64


@pytest.mark.parametrize(
    ("damage", "deviation", "alike"),
    [
        (Damage(sigma=10), 10, 0),
        (Damage(sigma=10, shared=1), 10, 1),
        (Damage(sigma=10, shared=0.25), 10, 0.25),
        (Damage(photons=100), 255 * np.sqrt(128 / 255 / 100), 0),
    ],
)
def test_noise_has_its_strength_and_depends_on_the_seed(damage: Damage, deviation: float, alike: float) -> None:
    found, same, other = (degrade.damaged(GRAY, damage, rng(seed)) - GRAY.astype(float) for seed in (1, 1, 2))
    assert found.std() == pytest.approx(deviation, rel=0.02)
    assert np.corrcoef(found.reshape(-1, 3).T)[np.triu_indices(3, 1)] == pytest.approx(np.full(3, alike), abs=0.03)
    assert np.array_equal(found, same)
    assert not np.array_equal(found, other)


def test_compression_has_its_quality_and_the_position_of_its_blocks() -> None:
    pieces = np.stack([samples.leaves(seed, 28, 28) for seed in range(4)])

    def compressed(pieces: np.ndarray, **options: Any) -> np.ndarray:
        return degrade.damaged(pieces, Damage(**options), rng()).astype(float)

    errors = [np.square(compressed(pieces, quality=quality) - pieces).mean() for quality in (10, 50, 95)]
    assert errors[0] > errors[1] > errors[2] > 0
    options = {"quality": 20, "row": 3, "column": 13}
    assert np.array_equal(compressed(pieces, **options)[1:2], compressed(pieces[1:2], **options))
    steps = np.abs(np.diff(compressed(pieces, quality=10, column=5), axis=2)).mean(axis=(0, 1, 3))
    assert int(np.argmax([steps[place::8].mean() for place in range(8)])) == (8 - 5 - 1) % 8


def test_damage_depends_on_the_seed_and_not_in_validation_and_targets_are_clean(patch_set: PatchSet) -> None:
    options = {**PLAIN, "degrade": 50, "input": "colour_damage"}
    first, same, plain = (
        batches.TrainingBatches(patch_set, recipe(**changes), "float64")[0] for changes in (options, options, PLAIN)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert np.array_equal(first[1], plain[1])
    assert not np.array_equal(first[0][..., :3], plain[0])
    one, other = (batches.ValidationBatches(patch_set, recipe(**options, seed=seed), "float64") for seed in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))


# === Joined patches ===


@pytest.fixture
def grid(tmp_path: Path) -> tuple[PatchSet, np.ndarray]:
    """Two photographs of 3 × 4 patches, of which the second lacks one; and the pixels."""
    pixels = samples.leaves(3, 36, 48)
    places = [(photo, 12 * row, 12 * column) for photo in ("a", "b") for row in range(3) for column in range(4)]
    places.remove(("b", 12, 12))
    colour = np.stack([pixels[row : row + 12, column : column + 12] for _, row, column in places])
    index = pd.DataFrame(places, columns=["photo", "row", "column"]).assign(domain="everyday")
    return samples.write_patches(tmp_path, index, colour, colour[..., :1], shards=[12, 11]), pixels


def test_complete_squares_of_neighbouring_patches_are_joined(grid: tuple[PatchSet, np.ndarray]) -> None:
    patches, pixels = grid
    joined = training.Joined(patches, 2)
    assert (len(joined), joined.patch, joined.shards) == (6 + 2, 24, [(0, 6), (6, 8)])
    assert joined.index["photo"].tolist() == ["a"] * 6 + ["b"] * 2
    for square, (_, place) in zip(joined.read("colour"), joined.index.iterrows(), strict=True):
        row, column = place["row"], place["column"]
        assert np.array_equal(square, pixels[row : row + 24, column : column + 24])
    assert np.array_equal(joined.read("gray", np.array([7, 0])), joined.read("gray")[[7, 0]])
    with pytest.raises(StageError, match="join is 9, but no 9 × 9 patches are adjacent"):
        training.Joined(patches, 9)


@pytest.mark.parametrize("join", [1, 2])
def test_a_denoiser_does_not_learn_from_damaged_photographs_unless_all_are(tmp_path: Path, join: int) -> None:
    clean = samples.leaves(3, 84, 112).astype(float)
    noisy = np.rint(np.clip(clean + rng().normal(0, 12, clean.shape), 0, 255))
    places = [(28 * row, 28 * column) for row in range(3) for column in range(4)]

    def squares(degrade: float, **photographs: np.ndarray) -> list[str]:
        folder = tmp_path / f"{degrade}{''.join(photographs)}"
        folder.mkdir()
        cut = [
            pixels[row : row + 28, column : column + 28] for pixels in photographs.values() for row, column in places
        ]
        colour = np.stack(cut).astype(np.uint8)
        index = pd.DataFrame(places * len(photographs), columns=["row", "column"])
        index = index.assign(photo=np.repeat(list(photographs), len(places)), domain="everyday")
        patches = samples.write_patches(folder, index, colour, colour[..., :1], shards=[len(places)] * len(photographs))
        variant = PARAMS.variants["denoise"].model_copy(update={"join": join, "degrade": degrade})
        of = training.squares(patches, variant)
        assert len(of.read("gray")) == len(of) == of.shards[-1][1] == len(of.index)
        return sorted(set(of.index["photo"]))

    assert squares(55, a=clean, b=noisy) == ["a"]
    assert squares(55, b=noisy, c=noisy) == ["b", "c"]
    assert squares(0, a=clean, b=noisy) == ["a", "b"]


def test_damage_is_estimated_from_patches_of_the_same_photograph(grid: tuple[PatchSet, np.ndarray]) -> None:
    read: list[set[str]] = []

    class Noted(PatchSet):
        def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
            assert numbers is not None
            read.append(set(self.index["photo"].iloc[numbers]))
            return super().read(kind, numbers)

    pairs = batches.Pairs(Noted(grid[0].folder), recipe(input="colour_damage"), "float64")
    pairs.read(np.arange(23), [rng(number) for number in range(23)])
    assert read == [{"a", "b"}, *[{"a"}] * 12, *[{"b"}] * 11]  # all targets, then inputs one by one
