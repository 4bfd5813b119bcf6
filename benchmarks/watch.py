"""Watching a network learn, from beside: its weights and the CPU time at which it had them."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

import numpy as np

from stages.evaluate import measures


class Watch:
    """Takes the weights of `model` while the body runs: first, then every `every` CPU seconds, later more rarely.

    Between two looks lies at least a fiftieth of the time that has passed, so that a long training fills no memory.

    A thread of its own reads them, so that the training is the one that it would be unwatched. What the weights are
    worth is computed afterwards.
    """

    def __init__(self, model: Any, every: float) -> None:
        self._model, self._every = model, every
        self._seen: list[tuple[float, list[np.ndarray]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._start = time.process_time()
        self._take()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = time.process_time() - self._start

    def curve(self, colour: np.ndarray, gray: np.ndarray) -> list[tuple[float, float]]:
        """CPU seconds since the start, and the mean SSIM of what the model made of `colour` with its weights then.

        Args:
            colour: `(n, height, width, 3)` in [0, 1].
            gray: `(n, height, width, 1)` in [0, 1].
        """
        last, found = self._model.get_weights(), []
        for moment, weights in self._seen:
            self._model.set_weights(weights)
            found.append((moment - self._start, ssim(self._model, colour, gray)))
        self._model.set_weights(last)
        return found

    def first_change(self) -> float | None:
        """CPU seconds since the start when the weights were first seen to differ from the initial ones."""
        initial = self._seen[0][1]
        changed = (at for at, now in self._seen if not all(map(np.array_equal, initial, now)))
        return next((moment - self._start for moment in changed), None)

    def _take(self) -> None:
        self._seen.append((time.process_time(), self._model.get_weights()))

    def _look(self) -> None:
        while not self._over.wait(self._every / 4):
            now = time.process_time()
            if now - self._seen[-1][0] >= max(self._every, (now - self._start) / 50):
                self._take()


def ssim(model: Any, colour: np.ndarray, gray: np.ndarray) -> float:
    """The mean SSIM of all patches, as `stages.evaluate` scores them."""
    outputs = model.predict(colour, batch_size=256, verbose=0).astype(np.float64)
    return float(measures.ssim(gray[..., 0].astype(np.float64), np.clip(outputs, 0, 1)[..., 0]).mean())


def reached(curve: list[tuple[float, float]], quality: float) -> float | None:
    """The CPU seconds from which on every SSIM of a curve is above `quality`; None if the last is not."""
    moment = None
    for at, value in reversed(curve):
        if value <= quality:
            break
        moment = at
    return moment
