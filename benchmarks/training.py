"""Training beside plain Keras: how fast the same network learns, and how soon another is as good.

The peer is `simple` as a person would first write it, with plain Keras: float32, patches in memory, batch 32, Adam at
0.001, mean squared error. Ours is `stages.train.fit.fit` on the same patches, as the pipeline calls it. Each training
runs in a process of its own, `python -m benchmarks.training '<JSON>'`, which prints what it took as JSON.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import BenchmarkError, Row, by_turns, row, run
from stages.common import settings
from stages.common.tensorflow_import import tensorflow_import
from stages.evaluate import measures
from stages.formats.patches import PatchSet

PAIRS = Path("data/pairs")
THREADS = 2
PEER, OURS = "plain Keras", "subpixel"
EPOCHS, EPOCHS_TO_QUALITY = 8, 50
CLOSE = 0.005  # how far ours may end below the SSIM of the peer
RECIPE = {"batch": 64, "learning_rate": 0.004, "flips": False, "quarter_turns": False}  # what differs
Seen = list[tuple[float, list[np.ndarray]]]  # CPU seconds since the start, and the weights at that moment


# === Benchmarks ===


def training(rounds: int) -> list[Row]:
    """The same network, faster: images per second of `simple`.

    Wall-clock time of the whole training, graph building and in ours validation among it, without imports.
    """
    runs = by_turns(
        {
            PEER: partial(child, network=PEER, epochs=EPOCHS),
            "ours": partial(child, network="simple", epochs=EPOCHS, recipe=RECIPE),
        },
        rounds,
    )
    ours, peer = ([took["images"] / took["seconds"] for took in runs[name]] for name in ("ours", PEER))
    end, end_of_peer = (runs[name][-1]["ssim"] for name in ("ours", PEER))
    what = f"training simple, {EPOCHS} epochs, to SSIM {end:.3f}, beside {PEER} to {end_of_peer:.3f}"
    return [row(what, "images/s", ours, peer, "≥ 2", also=end_of_peer - end <= CLOSE)]


def quality(rounds: int) -> list[Row]:
    """Time to quality: CPU seconds until validation SSIM passes what plain Keras ends with after 50 epochs.

    Ours is `subpixel`, which starts at random, too, and has a latent of the same size.
    """
    runs = by_turns(
        {
            PEER: partial(child, network=PEER, epochs=EPOCHS_TO_QUALITY, every=1),
            OURS: partial(child, network=OURS, epochs=EPOCHS, dtype="float64", every=0.05),
        },
        rounds,
    )
    moments = []
    for took, of_peer in zip(runs[OURS], runs[PEER], strict=True):
        moment = reached(took["curve"], of_peer["ssim"])
        if moment is None:
            raise BenchmarkError(f"{OURS} ended at SSIM {took['ssim']:.4f}, {PEER} at {of_peer['ssim']:.4f}")
        moments.append(moment)
    start = f"{OURS} ({runs[OURS][-1]['curve'][0][1]:.3f} before its first step)"
    what = f"time to quality: {start} to the SSIM of {PEER}, {EPOCHS_TO_QUALITY} epochs"
    return [row(what, "CPU s", moments, [took["cpu_seconds"] for took in runs[PEER]], "≥ 100", faster=True)]


def reached(curve: list[list[float]], quality: float) -> float | None:
    """The CPU seconds from which on every SSIM of a curve is above `quality`; None if the last is not."""
    moment = None
    for at, value in reversed(curve):
        if value <= quality:
            break
        moment = at
    return moment


def child(**task: Any) -> Any:
    """What `learned` returns, from a process of its own: TensorFlow fixes threads and data type once."""
    command = [sys.executable, "-m", "benchmarks.training", json.dumps(task)]
    return json.loads(run(command).output.splitlines()[-1])


# === One training ===


def learned(
    network: str, epochs: int, dtype: str = "float32", recipe: dict[str, Any] | None = None, every: float = 1e9
) -> dict[str, Any]:
    """Train a network, `PEER` or a variant of params.yaml, by its recipe with changes; look every so many CPU seconds.

    Returns `seconds` and `cpu_seconds` of building and fitting, imports apart; `images` learned from; `ssim` of the
    validation patches in the end; `curve`, pairs of CPU seconds and that SSIM.
    """
    with tensorflow_import():
        from stages.networks import simple
        from stages.train import build, fit, precision
    train, validation = (PatchSet(PAIRS / split) for split in ("train", "validation"))
    variant = settings.load().variants[OURS if network == PEER else network]
    variant = variant.model_copy(update={"budget": epochs * len(train), **(recipe or {})})
    if network == PEER:
        prepare_peer()
    else:
        precision.prepare(threads=THREADS, dtype=dtype, seed=variant.seed)
    arrays = unit(train) if network == PEER else ()
    cpu, start = time.process_time(), time.perf_counter()
    if network == PEER:
        model = simple.build(patch=train.patch, inputs=3, outputs=1)  # plain Keras, too
    else:
        model = build.build(variant, train.patch)
    with watched(model, every, cpu) as seen:
        if network == PEER:
            model.compile(optimizer="adam", loss="mse")  # at 0.001
            model.fit(*arrays, batch_size=32, epochs=epochs, verbose=0)
        else:
            fit.fit(model, train, validation, variant)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    seen.append((cpu_seconds, model.get_weights()))
    curve = []
    for at, weights in seen:
        model.set_weights(weights)
        curve.append([at, ssim(model, *unit(validation))])
    took = {"seconds": seconds, "cpu_seconds": cpu_seconds, "images": epochs * len(train)}
    return took | {"ssim": curve[-1][1], "curve": curve}


@contextmanager
def watched(model: Any, every: float, start: float) -> Iterator[Seen]:
    """The weights of `model` while the body trains it: first, then every `every` CPU seconds, later more rarely.

    A thread of its own reads them, so that the training is the one that it would be unwatched.
    """
    seen: Seen = [(time.process_time() - start, model.get_weights())]
    over = threading.Event()

    def look() -> None:
        while not over.wait(min(every, 60) / 4):
            now = time.process_time() - start
            if now - seen[-1][0] >= max(every, now / 50):
                seen.append((now, model.get_weights()))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def unit(patches: PatchSet) -> tuple[np.ndarray, np.ndarray]:
    """All patches in memory, float32 in [0, 1]: `(n, 28, 28, 3)` and `(n, 28, 28, 1)`."""
    return patches.read("colour").astype("float32") / 255, patches.read("gray").astype("float32") / 255


def ssim(model: Any, colour: np.ndarray, gray: np.ndarray) -> float:
    """The mean SSIM of all patches, as `stages.evaluate` scores them."""
    outputs = model.predict(colour, batch_size=256, verbose=0).astype(np.float64)
    return float(measures.ssim(gray[..., 0].astype(np.float64), np.clip(outputs, 0, 1)[..., 0]).mean())


def prepare_peer() -> None:
    """As many threads as ours and a seed, but no deterministic operations, which are slower."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(1)


if __name__ == "__main__":
    print(json.dumps(learned(**json.loads(sys.argv[1]))))
