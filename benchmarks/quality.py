"""Time to quality: CPU seconds until validation SSIM passes what plain Keras ends with after 50 epochs.

The networks of the family of `subpixel` start from a fixed transform and near the mean of red, green and blue: they
pass before their first step, so that what is timed is how long it takes to build one and to make its first step. Plain
patch convolutions with random weights show what is left without that.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.learn import PATCHES, PEER
from benchmarks.measure import BenchmarkError, Row, by_turns, child, row

EPOCHS = 50
EVERY = 0.05  # CPU seconds between two looks at a network that learns
OURS: dict[str, dict[str, Any]] = {  # and what differs from the recipe of params.yaml
    "subpixel": {},
    "subpixel_bottleneck": {},
    PATCHES: {"learning_rate": 0.02, "flips": False, "quarter_turns": False},
}


def measure(rounds: int) -> list[Row]:
    """Train the peer and each of ours, by turns.

    Raises:
        BenchmarkError: one of ours did not reach that quality.
    """
    ours = {
        name: partial(child, "learn", network=name, epochs=8, dtype="float64", recipe=recipe, every=EVERY)
        for name, recipe in OURS.items()
    }
    runs = by_turns({PEER: partial(child, "learn", network=PEER, epochs=EPOCHS, every=1), **ours}, rounds)
    peer = [run["cpu_seconds"] for run in runs[PEER]]
    rows = []
    for name in OURS:
        moments = []
        for run, of_peer in zip(runs[name], runs[PEER], strict=True):
            moment = reached(run["curve"], of_peer["ssim"])
            if moment is None:
                raise BenchmarkError(f"{name} ended at SSIM {run['ssim']:.4f}, {PEER} at {of_peer['ssim']:.4f}")
            moments.append(max(moment, run["first_step"]))
        start = runs[name][-1]["curve"][0][1]
        what = f"time to quality: {name} ({start:.3f} before its first step) to the SSIM of {PEER}, {EPOCHS} epochs"
        rows.append(row(what, "CPU s", moments, peer, "≥ 100", faster=True))
    return rows


def reached(curve: list[list[float]], quality: float) -> float | None:
    """The CPU seconds from which on every SSIM of a curve is above `quality`; None if the last is not."""
    moment = None
    for at, value in reversed(curve):
        if value <= quality:
            break
        moment = at
    return moment
