"""Training: what is learned, validated, kept and refused; the losses and the schedule."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from stages.common.artifacts import write_model
from stages.common.settings import Recipe
from stages.common.stage import StageError
from stages.evaluate import measures
from stages.formats.patches import PatchSet
from stages.networks import simple, subpixel, vae
from stages.train import batches, fit, losses, precision
from tests import patch_sets
from tests.train.test_batches import RECIPE


def recipe(epochs: int = 3, patience: int = 0, **changes: object) -> Recipe:
    """So many passes over the 48 patches, and patience for so many."""
    lengths = {"budget": 48 * epochs, "patience": 48 * patience, "warmup": 48}
    return RECIPE.model_copy(update={"batch": 10, **lengths, **changes})


def network(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return subpixel.build(patch=12, inputs=3, outputs=1)


def gray(seed: int = 0) -> keras.Model:
    """`simple`, whose sigmoid starts near middle gray and passes no target."""
    keras.utils.set_random_seed(seed)
    return simple.build(patch=12, inputs=3, outputs=1)


def errors(model: keras.Model, patches: PatchSet) -> np.ndarray:
    """The mean squared error of each patch."""
    images, targets = batches.ValidationBatches(patches, recipe(), "float32")[0]
    return np.asarray(losses.mse(targets, model(images)))


@pytest.fixture(scope="module")
def opposites(patch_set: PatchSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[PatchSet, PatchSet]:
    """The same colours to learn white from, and to validate against black: who learns gets worse, every epoch."""
    white, black = (
        patch_sets.write(
            tmp_path_factory.mktemp("patches"),
            patch_set.index,
            patch_set.read("colour"),
            np.full((48, 12, 12, 1), level, np.uint8),
            shards=[48],
        )
        for level in (255, 0)
    )
    return white, black


def test_training_learns_and_leaves_the_best_epoch(
    opposites: tuple[PatchSet, PatchSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    begin = batches.TrainingBatches.begin

    def noted(self: batches.TrainingBatches, epoch: int) -> None:
        begun.append(epoch)
        begin(self, epoch)

    monkeypatch.setattr(batches.TrainingBatches, "begin", noted)
    model, (white, black) = gray(), opposites
    curve = fit.fit(model, white, black, recipe(epochs=5, schedule="constant", learning_rate=0.001))
    assert list(curve["epoch"]) == begun[1:] == [1, 2, 3, 4, 5]  # each with an order of its own
    assert curve["loss"].is_monotonic_decreasing
    assert curve["val_loss"].is_monotonic_increasing
    assert curve["val_loss"].iloc[-1] > 1.05 * curve["val_loss"].iloc[0]
    assert errors(model, black).mean() == pytest.approx(curve["val_loss"].iloc[0], rel=1e-4)


def test_training_stops_after_as_many_worse_epochs_as_the_recipe_has_patience(
    opposites: tuple[PatchSet, PatchSet], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"epochs": 8, "schedule": "constant", "learning_rate": 0.01, "patience": 2}
    model, again = gray(), gray()
    curve = fit.fit(model, *opposites, recipe(**options), tmp_path / "kept")
    assert len(curve) == 3
    same = fit.fit(again, *opposites, recipe(**options), tmp_path / "kept")  # as after a kill behind the last epoch
    pd.testing.assert_frame_equal(same, curve, check_exact=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_the_curve_has_means_over_patches(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    wanted = errors(model, patch_set).mean()
    monkeypatch.setattr(batches, "VALIDATION_BATCH", 35)
    frozen = recipe(batch=40, epochs=1, flips=False, quarter_turns=False, schedule="constant", learning_rate=1e-12)
    curve = fit.fit(model, patch_set, patch_set, frozen)
    assert list(curve.loc[0, ["loss", "val_loss"]]) == pytest.approx([wanted, wanted], rel=1e-4)


def test_a_loss_that_is_not_finite_stops_training_and_says_when(patch_set: PatchSet) -> None:
    model = network()
    model.get_layer("latent").kernel.assign(np.full((4, 4, 3, 16), np.inf))
    with pytest.raises(StageError, match=r"loss became nan in epoch 1; no model was written"):
        fit.fit(model, patch_set, patch_set, recipe())


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"?" * 99], ids=["cut", "other"])
def test_a_damaged_checkpoint_is_left_aside_with_a_word(
    patch_set: PatchSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any
) -> None:
    model, kept = network(), tmp_path / "kept"
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    epochs = fit.Epochs(2, 0, kept)
    epochs.set_model(model)
    epochs.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    before = [weight + 1 for weight in model.get_weights()]
    model.set_weights(before)
    kept.write_bytes(damage(kept.read_bytes()))
    again = fit.Epochs(2, 0, kept)
    again.load(model)
    assert "kept: the checkpoint is damaged; training starts from the beginning" in capsys.readouterr().err
    assert (again.rows, again.best) == ([], [])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])  # the second is slow on a processor
def test_mixed_precision_learns_and_leaves_a_model_in_single_precision(
    patch_set: PatchSet, tmp_path: Path, policy: str
) -> None:
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(1)
    scaled = policy == "mixed_float16"
    model = vae.build(patch=12, inputs=3, outputs=1, latent=4, sigma=0.05) if scaled else network()
    curve = fit.fit(model, patch_set, patch_set, recipe(epochs=3, schedule="constant", learning_rate=0.01))
    assert curve["val_loss"].iloc[-1] < curve["val_loss"].iloc[0]
    assert (type(model.optimizer).__name__ == "LossScaleOptimizer") == scaled
    used = model.inference() if scaled else model
    write_model(tmp_path / "model.keras", precision.convert(used, "float32"))
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.compute_dtype == "float32"
    images, targets = batches.ValidationBatches(patch_set, recipe(), "float32")[0]
    assert float(np.mean(losses.psnr(targets, loaded(images)))) == pytest.approx(curve["val_psnr"].max(), abs=3)


# === Losses and schedule ===


def test_losses_are_per_image_and_agree_with_the_measures() -> None:
    targets, outputs = np.random.default_rng(1).random((2, 6, 12, 12, 1))
    flat = targets[..., 0], outputs[..., 0]
    assert np.asarray(losses.mse(targets, outputs)) == pytest.approx(measures.mse(*flat), rel=1e-5)
    assert np.asarray(losses.mae(targets, outputs)) == pytest.approx(measures.mae(*flat), rel=1e-5)
    assert np.asarray(losses.psnr(targets, outputs)) == pytest.approx(measures.psnr(*flat), rel=1e-4)
    assert float(losses.psnr(targets, targets)[0]) == pytest.approx(100)
    similarity = measures.ssim(*flat)
    assert np.asarray(losses.ssim(targets, outputs)) == pytest.approx(similarity, rel=1e-5)
    decades = np.log10(measures.mse(*flat) + 1 / 12 / 255**2)
    assert np.asarray(losses.log_mse(targets, outputs)) == pytest.approx(decades, rel=1e-5)
    decades = np.log10(measures.mse(*flat) + 2 / 255**2)
    assert np.asarray(losses.log_visible(targets, outputs)) == pytest.approx(decades, rel=1e-5)
    mixed = measures.mse(*flat) + 0.005 * (1 - similarity)  # as params.yaml says
    assert np.asarray(losses.mse_ssim(targets, outputs)) == pytest.approx(mixed, rel=1e-5)


def test_fewer_patches_are_seen_more_often() -> None:
    shipped = RECIPE.model_copy(update={"budget": 93300, "patience": 62200, "warmup": 3100})
    assert fit.passes(shipped, 3111) == (30, 20, 1)
    assert fit.passes(shipped, 290) == (322, 215, 11)
    assert fit.passes(shipped, 1_000_000) == (1, 1, 0)  # a warm-up ends before training does
    assert fit.passes(shipped.model_copy(update={"patience": 0}), 290) == (322, 0, 11)


def test_the_learning_rate_warms_up_and_decays() -> None:
    rate = fit.learning_rate(recipe(schedule="cosine", learning_rate=0.1), 50, 10)
    values = [float(rate(step)) for step in range(51)]
    assert np.argmax(values) == 10
    assert [values[step] for step in (0, 5, 10, 30)] == pytest.approx([0, 0.05, 0.1, 0.05], rel=1e-4)
    assert values[49] > 1e-5 > values[50] >= 0
    assert fit.learning_rate(recipe(schedule="constant", learning_rate=0.1), 50, 10) == 0.1
