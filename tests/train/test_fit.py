"""Training learns, stops, restores and refuses; losses and the learning rate."""

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
from tests import samples
from tests.train.test_batches import RECIPE


def recipe(epochs: int = 3, patience: int = 0, **changes: object) -> Recipe:
    """Budget and patience in epochs of 48 patches."""
    lengths = {"budget": 48 * epochs, "patience": 48 * patience, "warmup": 48}
    return RECIPE.model_copy(update={"batch": 10, **lengths, **changes})


def network(module: Any = subpixel) -> keras.Model:
    keras.utils.set_random_seed(0)
    return module.build(patch=12, inputs=3, outputs=1)


def errors(model: keras.Model, patches: PatchSet) -> np.ndarray:
    """The mean squared error of each patch."""
    images, targets = batches.ValidationBatches(patches, recipe(), "float32")[0]
    return np.asarray(losses.mse(targets, model(images)))


def test_training_learns_runs_out_of_patience_and_keeps_the_best_epoch(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on white targets and validated on black ones, a network gets worse in every epoch."""
    sets = []
    for level in (255, 0):
        gray = np.full((48, 12, 12, 1), level, np.uint8)
        (tmp_path / str(level)).mkdir()
        sets.append(samples.write_patches(tmp_path / str(level), patch_set.index, patch_set.read("colour"), gray, [48]))
    white, black = sets
    begun: list[int] = []
    begin = batches.TrainingBatches.begin

    def noted(self: batches.TrainingBatches, epoch: int) -> None:
        begun.append(epoch)
        begin(self, epoch)

    monkeypatch.setattr(batches.TrainingBatches, "begin", noted)
    how = recipe(epochs=8, schedule="constant", learning_rate=0.001, patience=2)
    model, again = network(simple), network(simple)  # whose sigmoid starts near middle gray
    curve = fit.fit(model, white, black, how, tmp_path / "kept")
    assert list(curve["epoch"]) == begun[1:] == [1, 2, 3]  # each has its own order
    assert curve["loss"].is_monotonic_decreasing
    assert curve["val_loss"].is_monotonic_increasing
    assert curve["val_loss"].iloc[-1] > 1.05 * curve["val_loss"].iloc[0]
    assert errors(model, black).mean() == pytest.approx(curve["val_loss"].iloc[0], rel=1e-4)
    same = fit.fit(again, white, black, how, tmp_path / "kept")  # as after a kill at the end
    pd.testing.assert_frame_equal(same, curve, check_exact=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_the_curve_has_means_over_patches(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    wanted = errors(model, patch_set).mean()
    monkeypatch.setattr(batches, "VALIDATION_BATCH", 35)
    frozen = recipe(batch=40, epochs=1, flips=False, quarter_turns=False, schedule="constant", learning_rate=1e-12)
    curve = fit.fit(model, patch_set, patch_set, frozen)
    assert list(curve.loc[0, ["loss", "val_loss"]]) == pytest.approx([wanted, wanted], rel=1e-4)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_epoch(patch_set: PatchSet) -> None:
    model = network()
    model.get_layer("latent").kernel.assign(np.full((4, 4, 3, 16), np.inf))
    with pytest.raises(StageError, match=r"loss became nan in epoch 1; no model was written"):
        fit.fit(model, patch_set, patch_set, recipe())


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"?" * 99], ids=["cut", "other"])
def test_a_damaged_checkpoint_is_ignored_with_a_message(
    patch_set: PatchSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any
) -> None:
    kept = tmp_path / "kept"
    curve = fit.fit(network(), patch_set, patch_set, recipe(epochs=2), kept)
    kept.write_bytes(damage(kept.read_bytes()))
    again = fit.fit(network(), patch_set, patch_set, recipe(epochs=2), kept)
    assert "kept: the checkpoint is damaged; training starts from the beginning" in capsys.readouterr().err
    pd.testing.assert_frame_equal(again, curve)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_and_gives_a_float32_model(patch_set: PatchSet, tmp_path: Path, policy: str) -> None:
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


def test_losses_agree_with_the_measures_image_by_image() -> None:
    targets, outputs = np.random.default_rng(1).random((2, 6, 12, 12, 1))
    flat = targets[..., 0], outputs[..., 0]
    error = measures.mse(*flat)
    expected = {
        losses.mse: error,
        losses.mae: measures.mae(*flat),
        losses.psnr: measures.psnr(*flat),
        losses.ssim: measures.ssim(*flat),
        losses.log_mse: np.log10(error + 1 / 12 / 255**2),
        losses.log_visible: np.log10(error + 0.5 / 255**2),
        losses.mse_ssim: error + 0.005 * (1 - measures.ssim(*flat)),
    }
    for loss, values in expected.items():
        assert np.asarray(loss(targets, outputs)) == pytest.approx(values, rel=1e-4), loss.__name__
    assert float(losses.psnr(targets, targets)[0]) == pytest.approx(100)


def test_the_number_of_epochs_depends_on_the_number_of_patches() -> None:
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
