"""Damage is that of its seed, of its kind and as strong as it says; and what learns from it never sees its target."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grayscale.damage import PLANES
from stages.common import settings
from stages.common.stage import StageError
from stages.formats.patches import PatchSet
from stages.train import batches, degrade, training
from stages.train.degrade import Damage
from tests import leaves, patch_sets
from tests.conftest import REPOSITORY
from tests.train.test_batches import recipe

VARIANT = settings.load(REPOSITORY / "params.yaml").variants["denoise"]
GRAY = np.full((40, 28, 28, 3), 128, np.uint8)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def added(damage: Damage, seed: int = 1) -> np.ndarray:
    """To `GRAY`, in gray levels."""
    return degrade.damaged(GRAY, damage, rng(seed)) - GRAY.astype(float)


def test_damage_is_that_of_the_seed() -> None:
    drawn = [degrade.draw(rng(seed), 55) for seed in range(40)]
    assert drawn == [degrade.draw(rng(seed), 55) for seed in range(40)]
    assert len(set(drawn)) > 30
    for damage in drawn:
        assert np.array_equal(added(damage), added(damage))
    assert not np.array_equal(added(Damage(sigma=9)), added(Damage(sigma=9), seed=2))


def test_every_kind_is_drawn_as_often_as_it_says_and_no_stronger() -> None:
    generator = rng()
    drawn = [degrade.draw(generator, 55) for _ in range(4000)]
    kinds = {
        "none": [d for d in drawn if d == Damage()],
        "photons": [d for d in drawn if d.photons],
        "jpeg": [d for d in drawn if d.quality and not d.sigma],
        "noise_jpeg": [d for d in drawn if d.quality and d.sigma],
        "noise": [d for d in drawn if d.sigma and not d.quality],
    }
    for kind, share in degrade.KINDS.items():
        assert len(kinds[kind]) / len(drawn) == pytest.approx(share, abs=0.025)
    assert 50 < max(d.sigma for d in drawn) <= 55
    assert min(d.photons for d in kinds["photons"]) >= (255 / 55) ** 2
    qualities = [d.quality for d in drawn if d.quality]
    assert (min(qualities), max(qualities)) == (10, 95)
    corners = {(d.row % 8, d.column % 8) for d in drawn if d.quality}
    assert len(corners) == 64  # a photograph may be cut anywhere


@pytest.mark.parametrize(
    ("damage", "deviation", "alike"),
    [
        (Damage(sigma=10), 10, 0),
        (Damage(sigma=10, shared=1), 10, 1),
        (Damage(sigma=10, shared=0.25), 10, 0.25),
        (Damage(photons=100), 255 * np.sqrt(128 / 255 / 100), 0),
    ],
)
def test_damage_is_as_strong_as_it_says(damage: Damage, deviation: float, alike: float) -> None:
    found = added(damage)
    assert found.std() == pytest.approx(deviation, rel=0.02)
    assert np.corrcoef(found.reshape(-1, 3).T)[np.triu_indices(3, 1)] == pytest.approx(np.full(3, alike), abs=0.03)


def test_compression_is_of_its_quality_and_starts_its_blocks_where_it_says() -> None:
    pieces = np.stack([leaves.photograph(seed, 28, 28) for seed in range(4)])
    errors = [
        np.square(degrade.damaged(pieces, Damage(quality=q), rng()) - pieces.astype(float)).mean() for q in (10, 50, 95)
    ]
    assert errors[0] > errors[1] > errors[2] > 0
    alone = degrade.damaged(pieces[1:2], Damage(quality=20, row=3, column=13), rng())
    assert np.array_equal(degrade.damaged(pieces, Damage(quality=20, row=3, column=13), rng())[1:2], alone)
    steps = np.abs(np.diff(degrade.damaged(pieces, Damage(quality=10, column=5), rng()).astype(float), axis=2)).mean(
        axis=(0, 1, 3)
    )
    places = [steps[place::8].mean() for place in range(8)]
    assert int(np.argmax(places)) == (8 - 5 - 1) % 8


# === Batches ===


def test_batches_are_damaged_by_seed_and_their_targets_are_clean(patch_set: PatchSet) -> None:
    options = {"degrade": 50, "input": "colour_damage", "flips": False, "quarter_turns": False}
    first, same, plain = (
        batches.TrainingBatches(patch_set, recipe(**changes), "float64")[0]
        for changes in (options, options, {"flips": False, "quarter_turns": False})
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert np.array_equal(first[1], plain[1])
    assert not np.array_equal(first[0][..., :3], plain[0])
    assert first[0].shape[-1] == 3 + len(PLANES)


def test_validation_is_damaged_alike_in_every_epoch_and_for_every_seed(patch_set: PatchSet) -> None:
    one, other = (
        batches.ValidationBatches(patch_set, recipe(degrade=50, input="colour_damage", seed=seed), "float64")
        for seed in (1, 2)
    )
    for left, right in zip(one[0], other[0], strict=True):
        assert np.array_equal(left, right)
    assert np.array_equal(one[0][0], one[0][0])


# === Joined patches ===


@pytest.fixture
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[PatchSet, np.ndarray]:
    """Two photographs of 3 × 4 patches, of which one lacks a patch; and the pixels of the other."""
    folder, pixels = tmp_path_factory.mktemp("grid"), leaves.photograph(3, 36, 48)
    places = [(photo, 12 * row, 12 * column) for photo in ("a", "b") for row in range(3) for column in range(4)]
    places.remove(("b", 12, 12))
    colour = np.stack([pixels[row : row + 12, column : column + 12] for _, row, column in places])
    index = pd.DataFrame(places, columns=["photo", "row", "column"]).assign(domain="everyday")
    return patch_sets.write(folder, index, colour, colour[..., :1], shards=[12, 11]), pixels


def test_neighbouring_patches_are_joined_where_all_are_there(grid: tuple[PatchSet, np.ndarray]) -> None:
    patches, pixels = grid
    joined = training.Joined(patches, 2)
    assert (len(joined), joined.patch, joined.shards) == (6 + 2, 24, [(0, 6), (6, 8)])
    assert joined.index["photo"].tolist() == ["a"] * 6 + ["b"] * 2
    for square, (_, place) in zip(joined.read("colour"), joined.index.iterrows(), strict=True):
        row, column = place["row"], place["column"]
        assert np.array_equal(square, pixels[row : row + 24, column : column + 24])
    assert np.array_equal(joined.read("gray", np.array([7, 0])), joined.read("gray")[[7, 0]])
    assert joined.read("gray").shape == (8, 24, 24, 1)


@pytest.mark.parametrize("join", [1, 2])
def test_where_damage_is_to_be_undone_damaged_photographs_are_left_out_unless_all_are(
    tmp_path: Path, join: int
) -> None:
    """A network would learn from them to leave noise alone."""
    clean = leaves.photograph(3, 84, 112).astype(float)
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
        patches = patch_sets.write(folder, index, colour, colour[..., :1], shards=[len(places)] * len(photographs))
        of = training.squares(patches, VARIANT.model_copy(update={"join": join, "degrade": degrade}))
        assert len(of.read("gray")) == len(of) == of.shards[-1][1] == len(of.index)
        return sorted(set(of.index["photo"]))

    assert squares(55, a=clean, b=noisy) == ["a"]
    assert squares(55, b=noisy, c=noisy) == ["b", "c"]
    assert squares(0, a=clean, b=noisy) == ["a", "b"]


def test_patches_that_do_not_touch_can_not_be_joined(patch_set: PatchSet) -> None:
    with pytest.raises(StageError, match="join is 9, but no 9 × 9 patches are adjacent"):
        training.Joined(patch_set, 9)


def test_damage_is_estimated_from_patches_of_the_same_photograph_alone(
    grid: tuple[PatchSet, np.ndarray],
) -> None:
    read: list[set[str]] = []

    class Noted(PatchSet):
        def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
            assert numbers is not None
            read.append(set(self.index["photo"].iloc[numbers]))
            return super().read(kind, numbers)

    pairs = batches.Pairs(Noted(grid[0].folder), recipe(input="colour_damage"), "float64")
    pairs.read(np.arange(23), [rng(number) for number in range(23)])
    assert read == [{"a", "b"}, *[{"a"}] * 12, *[{"b"}] * 11]  # the targets of all, and then inputs one by one
