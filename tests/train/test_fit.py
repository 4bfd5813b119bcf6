"""Batches, losses and the training loop."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import settings
from stages.evaluate import measures
from stages.settings import Recipe
from stages.targets.patches import PatchSet, to_unit
from stages.train import batches, fit, losses, precision
from stages.train.networks import subpixel
from tests.conftest import REPOSITORY

RECIPE = settings.load(REPOSITORY / "params.yaml").train.recipe


def recipe(**changes: object) -> Recipe:
    return RECIPE.model_copy(update={"batch": 10, "epochs": 3, "warmup_epochs": 1, **changes})


def test_an_epoch_shows_every_patch_once(patch_set: PatchSet) -> None:
    plain = batches.TrainingBatches(patch_set, recipe(flips=False, quarter_turns=False), "float64")
    seen = np.concatenate([plain[step][0] for step in range(len(plain))])
    wanted = to_unit(patch_set.read("colour"))
    assert len(plain) == 5
    assert sorted(map(bytes, seen)) == sorted(map(bytes, wanted))


def test_batches_follow_from_the_seed_and_the_epoch(patch_set: PatchSet) -> None:
    first, second = (batches.TrainingBatches(patch_set, recipe(), "float64") for _ in range(2))
    assert np.array_equal(first[2][0], second[2][0])
    second.on_epoch_begin()
    assert not np.array_equal(first[2][0], second[2][0])
    other = batches.TrainingBatches(patch_set, recipe(seed=99), "float64")
    assert not np.array_equal(first[2][0], other[2][0])


def test_keras_asks_for_the_batches_in_their_order(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    class Recording(batches.TrainingBatches):
        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            asked.append((self._epoch, step))
            return super().__getitem__(step)

    monkeypatch.setattr(fit, "TrainingBatches", Recording)
    fit.fit(subpixel.build(patch=12, inputs=3, outputs=1), patch_set, patch_set, recipe(epochs=2))
    looked_at = [(0, 0), (0, 1)]  # for their shapes
    assert asked == looked_at + [(epoch, step) for epoch in (1, 2) for step in range(5)]


def test_colour_and_target_are_turned_alike(patch_set: PatchSet) -> None:
    colour, gray = batches.TrainingBatches(patch_set, recipe(batch=48), "float64")[0]
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - gray[..., 0]).max() <= 0.51 / 255


@given(st.booleans(), st.integers(0, 3))
def test_augmentation_is_the_symmetry_that_it_says(mirrored: bool, turns: int) -> None:
    patch = np.arange(48).reshape(1, 4, 4, 3)
    wanted = np.rot90(patch[0][:, ::-1] if mirrored else patch[0], turns)
    assert np.array_equal(batches.augment(patch, np.array([mirrored]), np.array([turns]))[0], wanted)


def test_losses_are_per_image_and_agree_with_the_measures() -> None:
    rng = np.random.default_rng(1)
    targets, outputs = rng.random((2, 6, 12, 12, 1))
    flat = targets[..., 0], outputs[..., 0]
    assert np.asarray(losses.mse(targets, outputs)) == pytest.approx(measures.mse(*flat), rel=1e-5)
    assert np.asarray(losses.mae(targets, outputs)) == pytest.approx(measures.mae(*flat), rel=1e-5)
    assert np.asarray(losses.psnr(targets, outputs)) == pytest.approx(measures.psnr(*flat), rel=1e-4)
    assert float(losses.psnr(targets, targets)[0]) == pytest.approx(100)
    similarity = measures.ssim(*flat)
    assert np.asarray(losses.ssim(targets, outputs)) == pytest.approx(similarity, rel=1e-5)
    mixed = measures.mse(*flat) + losses.SSIM_WEIGHT * (1 - similarity)
    assert np.asarray(losses.mse_ssim(targets, outputs)) == pytest.approx(mixed, rel=1e-5)


def test_the_learning_rate_warms_up_and_decays() -> None:
    rate = fit.learning_rate(recipe(schedule="cosine", learning_rate=0.1, epochs=5, warmup_epochs=1), 10)
    values = [float(rate(step)) for step in range(51)]
    assert values[0] == 0
    assert np.argmax(values) == 10
    assert values[10] == pytest.approx(0.1)
    assert values[50] == pytest.approx(0, abs=1e-7)
    assert fit.learning_rate(recipe(schedule="constant", learning_rate=0.1), 10) == 0.1


def test_training_learns_and_leaves_the_best_epoch(patch_set: PatchSet) -> None:
    keras.utils.set_random_seed(0)
    model = subpixel.build(patch=12, inputs=3, outputs=1)
    curve = fit.fit(model, patch_set, patch_set, recipe(epochs=8, learning_rate=0.2, schedule="constant", patience=0))
    assert list(curve["epoch"]) == list(range(1, 9))
    assert curve["val_loss"].min() < curve["val_loss"].iloc[0] / 2
    assert curve["val_loss"].idxmin() < 7  # so large a step overshoots: the last epoch is not the best
    images, targets = batches.validation_arrays(patch_set, recipe(), "float32")
    left = float(np.mean(losses.mse(targets, model(images))))
    assert left == pytest.approx(curve["val_loss"].min(), rel=1e-4)


def test_what_was_validated_lies_on_the_grid_and_is_what_is_kept(patch_set: PatchSet) -> None:
    model = subpixel.build(patch=12, inputs=3, outputs=1)
    curve = fit.fit(model, patch_set, patch_set, recipe(epochs=2))
    assert all(np.array_equal(weight, np.rint(weight * 2**18) / 2**18) for weight in model.get_weights())
    images, targets = batches.validation_arrays(patch_set, recipe(), "float32")
    assert float(np.mean(losses.mse(targets, model(images)))) == pytest.approx(curve["val_loss"].min(), rel=1e-5)


def test_weights_are_settled_in_long_epochs_too(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[int] = []
    monkeypatch.setattr(fit, "SETTLE_EVERY", 2)
    monkeypatch.setattr(precision, "settle", lambda model: settled.append(int(model.optimizer.iterations)))
    fit.fit(subpixel.build(patch=12, inputs=3, outputs=1), patch_set, patch_set, recipe(epochs=2, batch=10))
    assert settled == [2, 4, 5, 7, 9, 10]


def test_training_stops_early_where_nothing_improves(patch_set: PatchSet) -> None:
    model = subpixel.build(patch=12, inputs=3, outputs=1)
    frozen = recipe(epochs=30, learning_rate=1e-12, schedule="constant", patience=2)
    assert len(fit.fit(model, patch_set, patch_set, frozen)) < 30


def test_a_loss_that_is_not_finite_stops_training_and_says_when(patch_set: PatchSet) -> None:
    model = subpixel.build(patch=12, inputs=3, outputs=1)
    model.get_layer("latent").kernel.assign(np.full((1, 1, 48, 16), np.inf))
    with pytest.raises(fit.TrainingDivergedError, match=r"loss became nan in epoch 1; no model was written"):
        fit.fit(model, patch_set, patch_set, recipe())
