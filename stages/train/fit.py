"""Trains one network by one recipe with Keras's `fit`: optimiser, curve, stopping rule, checkpoints."""

import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from tqdm.keras import TqdmCallback

from grayscale.core.atomic import atomic
from stages.common.settings import Recipe
from stages.common.stage import StageError
from stages.formats.patches import PatchSet
from stages.train import losses
from stages.train.batches import TrainingBatches, ValidationBatches
from stages.train.enlarged import computed_small


def fit(
    model: keras.Model, train: PatchSet, validation: PatchSet, recipe: Recipe, keep: Path | None = None
) -> pd.DataFrame:
    """Train `model` in place; it ends with the weights of the epoch with the lowest validation loss.

    The model is not compiled, and keeps its strategy; each set has at least as many patches as there are replicas.
    `keep` is the checkpoint file, from which training continues if it is intact. None: no checkpoints.

    Returns one row per epoch: `epoch` from 1, `loss` and `psnr` (dB) of augmented training patches during the epoch,
    `val_loss` and `val_psnr` of validation patches after it, and the network's own metrics; means over patches.
    `StageError`: the loss became NaN or infinite; names the epoch.
    """
    strategy = model.distribute_strategy
    batches = TrainingBatches(train, recipe, model.variable_dtype, strategy.num_replicas_in_sync)
    unseen = ValidationBatches(validation, recipe, model.variable_dtype, strategy.num_replicas_in_sync)
    budget, patience, warmup = passes(recipe, batches.patches)
    with strategy.scope():
        model = computed_small(model)  # with the same variables
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate(recipe, budget * len(batches), warmup * len(batches))),
            loss=losses.LOSSES[recipe.loss],
            metrics=[losses.psnr],
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
    epochs = Epochs(budget, patience, keep)
    epochs.load(model)
    if not epochs.ended:
        model.fit(
            batches,
            validation_data=unseen,
            epochs=budget,
            initial_epoch=len(epochs.rows),
            shuffle=False,  # `batches` are shuffled already
            verbose=0,
            callbacks=[batches.follow, epochs, TqdmCallback(disable=None, leave=False)],  # no bar without a terminal
        )
    model.set_weights(epochs.best)
    return pd.DataFrame(epochs.rows)


def passes(recipe: Recipe, patches: int) -> tuple[int, int, int]:
    """Budget, patience and warm-up in epochs of `patches` patches, rounded up; the warm-up ends before the budget."""
    budget, patience, warmup = (-(-seen // patches) for seen in (recipe.budget, recipe.patience, recipe.warmup))
    return budget, patience, min(warmup, budget - 1)


def learning_rate(recipe: Recipe, steps: int, warmup: int) -> Any:
    """A constant, or a schedule of `steps` steps: `warmup` steps of linear warm-up from 0, then cosine decay to 0.

    Loshchilov and Hutter 2017, arXiv:1608.03983.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=steps - warmup,
    )


class Epochs(keras.callbacks.Callback):
    """Records the curve and the best weights, stops training, and writes a checkpoint after each epoch.

    Keras's BackupAndRestore and EarlyStopping do not work together: after a kill, the random generators, the curve and
    the best weights are lost. The caller guarantees that a checkpoint has the same network, recipe, data and code.
    """

    def __init__(self, budget: int, patience: int, path: Path | None) -> None:
        """Stop after `budget` epochs, or after `patience` epochs without a better one (0: never)."""
        super().__init__()
        self._budget, self._patience, self._path = budget, patience, path
        self.rows: list[dict[str, float]] = []  # of the curve, one for each finished epoch
        self.best: list[np.ndarray] = []  # weights of the first epoch with the lowest validation loss

    @property
    def ended(self) -> bool:
        """Has training reached the budget or run out of patience?"""
        if not self.rows:
            return False
        waited = len(self.rows) - 1 - self._best_epoch
        return len(self.rows) == self._budget or 0 < self._patience <= waited

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._require_finite(logs, "loss")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._require_finite(logs, "val_loss")
        names = sorted(logs, key=lambda name: (name.startswith("val_"), name))
        self.rows.append({"epoch": epoch + 1, **{name: float(logs[name]) for name in names}})
        if self._best_epoch == epoch:
            self.best = self.model.get_weights()
        if self._path is not None:
            arrays = [*(variable.numpy() for variable in self._variables()), *self.best]
            with atomic(self._path) as temporary, temporary.open("wb") as file:
                np.savez(file, *arrays, rows=json.dumps(self.rows))
        self.model.stop_training = self.ended

    def load(self, model: keras.Model) -> None:
        """Restore the variables of the built `model` and of its optimiser from the file, if it exists and is intact."""
        self.set_model(model)
        if self._path is None or not self._path.exists():
            return
        variables = self._variables()
        try:
            with np.load(self._path, allow_pickle=False) as saved:  # checks the CRC of each array
                arrays = [saved[f"arr_{number}"] for number in range(len(variables) + len(model.weights))]
                rows = json.loads(str(saved["rows"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            print(f"{self._path}: the checkpoint is damaged; training starts from the beginning", file=sys.stderr)
            return
        for variable, value in zip(variables, arrays, strict=False):
            variable.assign(value)
        self.rows, self.best = rows, arrays[len(variables) :]

    @property
    def _best_epoch(self) -> int:
        return int(np.argmin([row["val_loss"] for row in self.rows]))

    def _variables(self) -> list[Any]:
        """Weights, random generators and optimiser state; metrics restart with each epoch."""
        sums = {id(variable) for variable in self.model.metrics_variables}
        return [it for it in self.model.variables if id(it) not in sums] + self.model.optimizer.variables

    def _require_finite(self, logs: dict[str, float], name: str) -> None:
        if not math.isfinite(logs[name]):
            raise StageError(
                f"{name} became {logs[name]} in epoch {len(self.rows) + 1}; no model was written. "
                "Lower learning_rate, or add warmup"
            )
