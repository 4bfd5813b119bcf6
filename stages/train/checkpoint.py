"""Where a training is, and the file from which a killed one goes on to the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CHECKPOINT_SECONDS = 60.0  # what a kill in an epoch's steps costs at most; a validation is done again
DIGEST = 32  # bytes of a sha256


@dataclass
class State:
    """Where a training is, beside the variables of the network and its optimiser.

    Attributes:
        sums: what `stages.train.fit.summing` gave in this epoch.
        step: steps done in this epoch.
        rows: of the curve, one per finished epoch.
        best: the weights after the epoch with the lowest validation loss, the first of equals.
    """

    sums: np.ndarray
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """The number of the current epoch, from 0."""
        return len(self.rows)

    @property
    def best_epoch(self) -> int:
        """That of the epoch with the lowest validation loss; −1 before there is one."""
        return int(np.argmin([row["val_loss"] for row in self.rows])) if self.rows else -1

    def end_epoch(self, logs: dict[str, float], weights: list[np.ndarray]) -> None:
        """Add a row to the curve, keep `weights` if they are the best so far, and begin the next epoch."""
        self.rows.append({"epoch": self.epoch + 1, **logs})
        if self.best_epoch == self.epoch - 1:
            self.best = weights
        self.sums, self.step = np.zeros_like(self.sums), 0


class Checkpoint:
    """A file with all that a training needs to go on: the state, the variables, random generators and optimiser.

    It is the sha256 of an uncompressed `.npz`, 32 bytes, and that `.npz`. Whoever asks for a file must see to it that
    it is of the same network, recipe, data and code; `Stage.keep` does.
    """

    def __init__(self, path: Path | None, model: Any, *, writes: bool = True) -> None:
        """Of `model`, compiled, at `path`; of several machines that read it only one `writes`."""
        self._path, self._model, self._writes = path, model, writes
        self._saved = time.monotonic()

    def load(self) -> State | None:
        """The state that was saved last, the model's variables set to it; None if there is none that is sound."""
        if self._path is None or not self._path.exists():
            return None
        content = self._path.read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            print(f"{self._path}: the checkpoint is damaged; training starts anew", file=sys.stderr)
            return None
        with np.load(io.BytesIO(content[DIGEST:]), allow_pickle=False) as saved:
            for number, variable in enumerate(self._variables()):
                variable.assign(saved[f"variable_{number}"])
            columns = saved["columns"].tolist()
            rows = [dict(zip(columns, row, strict=True)) for row in saved["rows"].tolist()]
            best = [saved[f"best_{number}"] for number in range(len(self._model.weights) if rows else 0)]
            return State(saved["sums"], int(saved["step"]), [{**row, "epoch": int(row["epoch"])} for row in rows], best)

    def save_if_due(self, state: State) -> None:
        """Save if that was `CHECKPOINT_SECONDS` ago."""
        if time.monotonic() - self._saved >= CHECKPOINT_SECONDS:
            self.save(state)

    def save(self, state: State) -> None:
        """Write the file, or nothing; it survives a power cut."""
        if self._path is None or not self._writes:
            return
        arrays = {f"variable_{number}": variable.numpy() for number, variable in enumerate(self._variables())}
        arrays |= {f"best_{number}": weight for number, weight in enumerate(state.best)}
        columns = list(state.rows[0]) if state.rows else []
        rows = np.array([list(row.values()) for row in state.rows])
        buffer = io.BytesIO()
        np.savez(buffer, sums=state.sums, step=state.step, columns=np.array(columns, str), rows=rows, **arrays)
        content = buffer.getvalue()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(
            f".{self._path.name}.{uuid.uuid4().hex}.partial"
        )  # another than a lost worker's
        try:
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
        self._saved = time.monotonic()

    def _variables(self) -> list[Any]:
        return [*self._model.variables, *self._model.optimizer.variables]
