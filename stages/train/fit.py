"""Training one network by one recipe: the optimiser, the stopping rule, the curve. Reads no file, writes none."""

from __future__ import annotations

import math
from typing import Any

import keras
import pandas as pd
from tqdm import tqdm

from stages.settings import Recipe
from stages.targets.patches import PatchSet
from stages.train import losses, precision
from stages.train.batches import VALIDATION_BATCH, TrainingBatches, validation_arrays

SETTLE_EVERY = 64  # steps


class TrainingDivergedError(Exception):
    """The loss became NaN or infinite."""


def fit(model: keras.Model, train: PatchSet, validation: PatchSet, recipe: Recipe) -> pd.DataFrame:
    """Train `model` in place and leave it with the weights of its best epoch by validation loss.

    Returns:
        The curve, one row per epoch: `epoch` from 1, `loss` and `psnr` (dB) on augmented training patches while they
        were learned from, `val_loss` and `val_psnr` on validation patches after the epoch, and the network's own
        trackers.

    Raises:
        TrainingDivergedError: the loss became NaN or infinite; names the epoch.
    """
    batches = TrainingBatches(train, recipe, model.dtype_policy.name)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate(recipe, steps_per_epoch=len(batches))),
        loss=losses.LOSSES[recipe.loss],
        metrics=[losses.psnr],
        jit_compile=False,
    )
    curve = Curve()
    best = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=recipe.patience or recipe.epochs,
        restore_best_weights=True,
    )
    with tqdm(total=recipe.epochs * len(train), unit="patch", unit_scale=True, disable=None) as bar:
        model.fit(
            batches,
            shuffle=False,  # the batches are shuffled already; Keras would draw from Python's global generator
            validation_data=validation_arrays(validation, recipe, model.dtype_policy.name),
            validation_batch_size=VALIDATION_BATCH,
            epochs=recipe.epochs,
            callbacks=[Settling(), curve, best, Progress(bar, recipe, len(train))],
            verbose=0,
        )
    return pd.DataFrame(curve.rows)


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> Any:
    """A constant, or a linear warm-up from 0 and a cosine decay to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warmup = recipe.warmup_epochs * steps_per_epoch
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=recipe.epochs * steps_per_epoch - warmup,
    )


class Settling(keras.callbacks.Callback):
    """Settles the weights every `SETTLE_EVERY` steps, and before they are validated and perhaps kept."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if (batch + 1) % SETTLE_EVERY == 0:
            precision.settle(self.model)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        precision.settle(self.model)


class Curve(keras.callbacks.Callback):
    """Keeps every epoch's logs and stops at a loss that is not a finite number."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._require_finite(logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._require_finite(logs or {})
        self.rows.append({"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}})

    def _require_finite(self, logs: dict[str, Any]) -> None:
        for key in ("loss", "val_loss"):
            if key in logs and not math.isfinite(logs[key]):
                raise TrainingDivergedError(
                    f"{key} became {float(logs[key])} in epoch {len(self.rows) + 1}; no model was written. "
                    "Lower learning_rate, or add warmup_epochs"
                )


class Progress(keras.callbacks.Callback):
    """Keeps a bar at the epoch, the loss, the rate and the time left; the bar is silent where stderr is no terminal."""

    def __init__(self, bar: tqdm, recipe: Recipe, patches: int) -> None:
        super().__init__()
        self._bar, self._recipe, self._patches = bar, recipe, patches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._bar.set_description(f"epoch {epoch + 1}/{self._recipe.epochs}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._bar.disable:
            self._bar.set_postfix(loss=f"{float((logs or {})['loss']):.5f}", refresh=False)
            self._bar.update(min(self._recipe.batch, self._patches - batch * self._recipe.batch))
