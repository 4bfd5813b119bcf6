"""The same network, faster: images per second of `simple`, ours beside plain Keras.

Wall-clock time of the whole training, graph building and in ours validation among it, without imports.
"""

from __future__ import annotations

from functools import partial

from benchmarks.learn import PEER
from benchmarks.measure import Row, by_turns, child, row

EPOCHS = 8  # as many as in params.yaml
CLOSE = 0.005  # how far ours may end below the SSIM of the peer
RECIPE = {"batch": 64, "learning_rate": 0.004, "flips": False, "quarter_turns": False}  # what differs


def measure(rounds: int) -> list[Row]:
    """Train by turns, every one in a process of its own."""
    runs = by_turns(
        {
            PEER: partial(child, "learn", network=PEER, epochs=EPOCHS),
            "ours": partial(child, "learn", network="simple", epochs=EPOCHS, recipe=RECIPE),
        },
        rounds,
    )
    ours, peer = ([run["images"] / run["seconds"] for run in runs[name]] for name in ("ours", PEER))
    end, end_of_peer = (runs[name][-1]["ssim"] for name in ("ours", PEER))
    what = f"training simple, {EPOCHS} epochs, to SSIM {end:.3f}, beside {PEER} to {end_of_peer:.3f}"
    close = end_of_peer - end <= CLOSE
    return [row(what, "images/s", ours, peer, "≥ 2", also=close)]
