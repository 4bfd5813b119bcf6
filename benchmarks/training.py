"""Time to quality: how soon a network of the pipeline is as good as one trained by plain Keras.

The peer is `simple` as a person would first write it, with plain Keras: float32, patches in memory, batch 32, Adam at
0.001, mean squared error. Ours is `stages.train.fit.fit` on the same patches, as the pipeline calls it. Each training
is a process, because TensorFlow fixes threads and data type once: `python -m benchmarks.training NETWORK` prints its
curve as JSON.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import BenchmarkError, Row, by_turns, row, run
from stages.common import settings
from stages.common.tensorflow_import import tensorflow_import
from stages.evaluate import measures
from stages.formats.patches import PatchSet

PAIRS = Path("data/pairs")
THREADS = 2
PEER, OURS = "plain Keras", "subpixel"
EPOCHS = {PEER: 50, OURS: 8}
EVERY = {PEER: 1e9, OURS: 0.05}  # CPU seconds between points of the curve; only the end of the peer counts
Way = tuple[Callable[[], Any], Callable[[Any], object]]  # how a model is built, and how it is fitted


def quality(rounds: int) -> list[Row]:
    """Time to quality: CPU seconds until validation SSIM passes what plain Keras ends with after 50 epochs.

    Ours is `subpixel`, which starts at random, too, and has a latent of the same size.
    """
    commands = {network: [sys.executable, "-m", "benchmarks.training", network] for network in (PEER, OURS)}
    costs = by_turns({network: partial(run, command) for network, command in commands.items()}, rounds)
    curves = {network: [json.loads(cost.output.splitlines()[-1]) for cost in costs[network]] for network in costs}
    ends = [curve[-1] for curve in curves[PEER]]
    moments = [reached(curve, ssim) for curve, (_, ssim) in zip(curves[OURS], ends, strict=True)]
    start = f"{OURS} ({curves[OURS][-1][0][1]:.3f} before its first step)"
    what = f"time to quality: {start} to the SSIM of {PEER}, {EPOCHS[PEER]} epochs"
    return [row(what, "CPU s", moments, [seconds for seconds, _ in ends], "≥ 100", faster=True)]


def reached(curve: list[list[float]], quality: float) -> float:
    """The CPU seconds from which on every SSIM of a curve is above `quality`; `BenchmarkError` if the last is not."""
    above = list(takewhile(lambda point: point[1] > quality, reversed(curve)))
    if not above:
        raise BenchmarkError(f"{OURS} ended at SSIM {curve[-1][1]:.4f}, {PEER} at {quality:.4f}")
    return above[-1][0]


def learned(network: str) -> list[list[float]]:
    """Train `PEER` or `OURS`; return pairs of CPU seconds, without imports, and SSIM of the validation patches.

    A thread of its own copies the weights, so the training is the same as without it. Later copies are rarer.
    """
    train, validation = (PatchSet(PAIRS / split) for split in ("train", "validation"))
    with tensorflow_import():
        build, fit = plain_keras(train) if network == PEER else ours(train, validation)
    cpu = time.process_time()
    model = build()
    seen = [(time.process_time() - cpu, model.get_weights())]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(min(EVERY[network], 60) / 4):
            now = time.process_time() - cpu
            if now - seen[-1][0] >= max(EVERY[network], now / 50):
                seen.append((now, model.get_weights()))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    fit(model)
    end = time.process_time() - cpu
    over.set()
    thread.join()
    curve = []
    for at, weights in [*seen, (end, model.get_weights())]:
        model.set_weights(weights)
        curve.append([at, ssim(model, *unit(validation))])
    return curve


def plain_keras(train: PatchSet) -> Way:
    """The peer: as many threads as ours and a seed, but no deterministic operations, which are slower."""
    import keras
    import tensorflow as tf

    from stages.networks import simple  # plain Keras, too

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(1)
    colour, gray = unit(train)

    def fit(model: Any) -> None:
        model.compile(optimizer="adam", loss="mse")  # at 0.001
        model.fit(colour, gray, batch_size=32, epochs=EPOCHS[PEER], verbose=0)

    return partial(simple.build, patch=train.patch, inputs=3, outputs=1), fit


def ours(train: PatchSet, validation: PatchSet) -> Way:
    """The variant `OURS`, built and trained as the pipeline does it."""
    from stages.train import build, fit, precision

    variant = settings.load().variants[OURS].model_copy(update={"budget": EPOCHS[OURS] * len(train)})
    precision.prepare(threads=THREADS, dtype="float64", seed=variant.seed)
    return partial(build.build, variant, train.patch), lambda model: fit.fit(model, train, validation, variant)


def unit(patches: PatchSet) -> tuple[np.ndarray, np.ndarray]:
    """All patches in memory, float32 in [0, 1]: `(n, 28, 28, 3)` and `(n, 28, 28, 1)`."""
    return patches.read("colour").astype("float32") / 255, patches.read("gray").astype("float32") / 255


def ssim(model: Any, colour: np.ndarray, gray: np.ndarray) -> float:
    """The mean SSIM of all patches, as `stages.evaluate` scores them."""
    outputs = model.predict(colour, batch_size=256, verbose=0).astype(np.float64)
    return float(measures.ssim(gray[..., 0].astype(np.float64), np.clip(outputs, 0, 1)[..., 0]).mean())


if __name__ == "__main__":
    print(json.dumps(learned(sys.argv[1])))
