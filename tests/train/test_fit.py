"""Batches, losses and the training loop."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grayscale.core.levels import to_unit
from stages.common import settings
from stages.common.artifacts import write_model
from stages.common.settings import Recipe
from stages.evaluate import measures
from stages.formats.patches import PatchSet
from stages.networks import subpixel, vae
from stages.train import batches, checkpoint, fit, losses, precision
from tests.conftest import REPOSITORY

RECIPE = settings.load(REPOSITORY / "params.yaml").train.recipe


def recipe(**changes: object) -> Recipe:
    return RECIPE.model_copy(update={"batch": 10, "epochs": 3, "warmup_epochs": 1, **changes})


def seen(of: batches.TrainingBatches, epoch: int) -> np.ndarray:
    return np.concatenate([of.read(epoch, step)[0] for step in range(len(of))])


def test_an_epoch_shows_every_patch_once(patch_set: PatchSet) -> None:
    plain = batches.TrainingBatches(patch_set, recipe(flips=False, quarter_turns=False), "float64")
    wanted = to_unit(patch_set.read("colour"))
    assert len(plain) == 5
    assert sorted(map(bytes, seen(plain, 1))) == sorted(map(bytes, wanted))


def test_batches_follow_from_the_seed_and_the_epoch(patch_set: PatchSet) -> None:
    first, second = (batches.TrainingBatches(patch_set, recipe(), "float64") for _ in range(2))
    assert np.array_equal(seen(first, 1), seen(second, 1))
    assert not np.array_equal(seen(first, 1), seen(second, 2))
    other = batches.TrainingBatches(patch_set, recipe(seed=99), "float64")
    assert not np.array_equal(seen(first, 1), seen(other, 1))


def test_replicas_share_a_batch_evenly_and_leave_out_what_is_over(patch_set: PatchSet) -> None:
    whole = batches.TrainingBatches(patch_set, recipe(batch=20), "float64")
    parts = batches.TrainingBatches(patch_set, recipe(batch=20), "float64", replicas=5)
    assert (len(parts), parts.patches) == (3, 45)
    for step, share in enumerate([4, 4, 1]):
        images, targets = zip(*(parts.read(1, step, replica) for replica in range(5)), strict=True)
        assert {len(part) for part in images} == {share}
        if share == 4:
            assert np.array_equal(np.concatenate(images), whole.read(1, step)[0])
            assert np.array_equal(np.concatenate(targets), whole.read(1, step)[1])


def test_validation_shows_every_patch_once_in_order_to_some_replica(
    patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "VALIDATION_BATCH", 11)
    unseen = batches.ValidationBatches(patch_set, recipe(), "float64", replicas=5)
    parts = [unseen.read(step, replica) for step in range(len(unseen)) for replica in range(5)]
    assert np.array_equal(np.concatenate([images for images, _ in parts]), to_unit(patch_set.read("colour")))
    assert np.array_equal(np.concatenate([targets for _, targets in parts]), to_unit(patch_set.read("gray")))


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=30)


@given(SIZES, st.integers(1, 7))
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
    colour, gray = batches.TrainingBatches(patch_set, recipe(batch=48), "float64").read(1, 0)
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
    images, targets = batches.ValidationBatches(patch_set, recipe(), "float32").read(0)
    left = float(np.mean(losses.mse(targets, model(images))))
    assert left == pytest.approx(curve["val_loss"].min(), rel=1e-4)


def test_what_was_validated_lies_on_the_grid_and_is_what_is_kept(patch_set: PatchSet) -> None:
    model = subpixel.build(patch=12, inputs=3, outputs=1)
    curve = fit.fit(model, patch_set, patch_set, recipe(epochs=2))
    assert all(np.array_equal(weight, np.rint(weight * 2**18) / 2**18) for weight in model.get_weights())
    images, targets = batches.ValidationBatches(patch_set, recipe(), "float32").read(0)
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


class InterruptedTraining(Exception):  # noqa: N818  # it is no fault
    pass


def trained(patch_set: PatchSet, keep: Path | None, name: str, **changes: Any) -> tuple[list[Any], pd.DataFrame]:
    """The weights in float64 and the curve of a short training."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(1)
    options = {"latent": 4, "sigma": 0.05} if name == "vae" else {}
    model = import_module(f"stages.networks.{name}").build(patch=12, inputs=3, outputs=1, **options)
    curve = fit.fit(model, patch_set, patch_set, recipe(batch=16, **changes), keep)
    return model.get_weights(), curve


@pytest.mark.parametrize(("name", "at"), [("vae", (1, 2)), ("subpixel", (3, 0)), ("simple", (2, 1))])
def test_a_training_goes_on_from_where_it_was_interrupted(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: tuple[int, int]
) -> None:
    read: list[tuple[int, int]] = []
    whole = batches.TrainingBatches.read

    def interrupted(self: batches.TrainingBatches, epoch: int, step: int, replica: int = 0) -> batches.Batch:
        read.append((epoch, step))
        if read == [*read[:-1], at] and read.count(at) == 1:
            raise InterruptedTraining
        return whole(self, epoch, step, replica)

    wanted, curve = trained(patch_set, None, name)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(batches.TrainingBatches, "read", interrupted)
    with pytest.raises(InterruptedTraining):
        trained(patch_set, tmp_path / "kept", name)
    found, resumed = trained(patch_set, tmp_path / "kept", name)
    assert len(read) == 3 * 3 + 1  # no step was done twice
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    pd.testing.assert_frame_equal(resumed, curve, check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_computing_convolutions_before_enlarging_changes_no_weight(
    patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, curve = trained(patch_set, None, "simple")
    monkeypatch.setattr(fit, "computed_small", lambda model: model)
    wanted, plain = trained(patch_set, None, "simple")
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    pd.testing.assert_frame_equal(curve, plain, check_exact=False, rtol=1e-9)


def test_patience_is_remembered_and_the_best_weights_are(patch_set: PatchSet, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    options = {"learning_rate": 0.2, "schedule": "constant", "epochs": 8, "patience": 2}
    weights, curve = trained(patch_set, kept, "subpixel", **options)
    again, same = trained(patch_set, kept, "subpixel", **options)
    assert 3 <= len(curve) == curve["val_loss"].idxmin() + 3
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))
    pd.testing.assert_frame_equal(same, curve, check_exact=True)


@pytest.mark.parametrize(
    "spoil", [lambda content: content[:-9], lambda content: b"?" + content], ids=["cut", "shifted"]
)
def test_a_damaged_checkpoint_is_left_aside_with_a_word(
    patch_set: PatchSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[bytes], bytes]
) -> None:
    kept = tmp_path / "kept"
    _, curve = trained(patch_set, kept, "subpixel", epochs=1, warmup_epochs=0)
    kept.write_bytes(spoil(kept.read_bytes()))
    _, again = trained(patch_set, kept, "subpixel", epochs=1, warmup_epochs=0)
    assert "kept: the checkpoint is damaged; training starts anew" in capsys.readouterr().err
    pd.testing.assert_frame_equal(again, curve, check_exact=True)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_and_leaves_a_model_in_single_precision(
    patch_set: PatchSet, tmp_path: Path, policy: str
) -> None:
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(1)
    model = vae.build(patch=12, inputs=3, outputs=1, latent=4, sigma=0.05)
    curve = fit.fit(model, patch_set, patch_set, recipe(epochs=4, schedule="constant", learning_rate=0.01))
    assert curve["val_loss"].iloc[-1] < curve["val_loss"].iloc[0]
    assert (type(model.optimizer).__name__ == "LossScaleOptimizer") == (policy == "mixed_float16")
    write_model(tmp_path / "model.keras", precision.convert(model, "float32"))
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    images, targets = batches.ValidationBatches(patch_set, recipe(), "float32").read(0)
    assert loaded.encoder.compute_dtype == "float32"
    assert float(np.mean(losses.psnr(targets, loaded(images)))) == pytest.approx(curve["val_psnr"].min(), abs=3)
