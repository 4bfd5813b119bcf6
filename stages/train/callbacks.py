"""What happens between the steps and epochs of Keras's `fit`: the stopping rule and the checkpoint.

Keras's own BackupAndRestore and EarlyStopping do not fit together: after a kill the first knows neither the state of
the random generators nor the curve, and the second forgets the best weights. One callback holds all of it instead.
"""

import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from grayscale.core.atomic import atomic
from stages.common.stage import StageError


class Epochs(keras.callbacks.Callback):
    """The curve, the best weights and the stopping rule; after each epoch, all of it goes to a file.

    Whoever names a file must see to it that it is of the same network, recipe, data and code; `Stage.keep` does.
    """

    def __init__(self, budget: int, patience: int, path: Path | None) -> None:
        """End after `budget` epochs, or after `patience` without a better one, if that is not 0."""
        super().__init__()
        self._budget, self._patience, self._path = budget, patience, path
        self.rows: list[dict[str, float]] = []  # of the curve, one for each finished epoch
        self.best: list[np.ndarray] = []  # weights after that with the lowest validation loss, the first of equals

    @property
    def ended(self) -> bool:
        """Have all epochs been, or as many without a better validation loss as there is patience for?"""
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
        """Go on from the file, if there is a sound one: set the variables of `model`, built, and of its optimiser."""
        self.set_model(model)
        if self._path is None or not self._path.exists():
            return
        variables = self._variables()
        try:
            with np.load(self._path, allow_pickle=False) as saved:  # reading an array checks its CRC
                arrays = [saved[f"arr_{number}"] for number in range(len(variables) + len(model.weights))]
                rows = json.loads(str(saved["rows"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            print(f"{self._path}: the checkpoint is damaged; training starts anew", file=sys.stderr)
            return
        for variable, value in zip(variables, arrays, strict=False):
            variable.assign(value)
        self.rows, self.best = rows, arrays[len(variables) :]

    @property
    def _best_epoch(self) -> int:
        return int(np.argmin([row["val_loss"] for row in self.rows]))

    def _variables(self) -> list[Any]:
        """Weights, random generators and the optimiser's; not what metrics sum, which begins anew with an epoch."""
        sums = {id(variable) for variable in self.model.metrics_variables}
        return [it for it in self.model.variables if id(it) not in sums] + self.model.optimizer.variables

    def _require_finite(self, logs: dict[str, float], name: str) -> None:
        if not math.isfinite(logs[name]):
            raise StageError(
                f"{name} became {logs[name]} in epoch {len(self.rows) + 1}; no model was written. "
                "Lower learning_rate, or add warmup"
            )
