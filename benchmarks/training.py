"""Training beside plain Keras: how fast the same network learns, and how soon another is as good.

The peer is `simple` as a person would first write it, with plain Keras: float32, patches in memory, batch 32, Adam at
0.001, mean squared error. Ours is `stages.train.fit.fit` on the same patches, as the pipeline calls it. Each training
runs in a process of its own, `python -m benchmarks.training '<JSON>'`, which prints what it took as JSON.
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

from benchmarks.measure import BenchmarkError, Row, by_turns, row, run
from stages.common import settings
from stages.common.settings import Variant
from stages.common.tensorflow_import import tensorflow_import
from stages.evaluate import measures
from stages.formats.patches import PatchSet

PAIRS = Path("data/pairs")
THREADS = 2
PEER, OURS = "plain Keras", "subpixel"
EPOCHS, EPOCHS_TO_QUALITY = 8, 50
CLOSE = 0.005  # how far ours may end below the SSIM of the peer
RECIPE = {"batch": 64, "learning_rate": 0.004, "flips": False, "quarter_turns": False}  # what differs
Way = tuple[Callable[[], Any], Callable[[Any], object]]  # how a model is built, and how it is fitted


# === Benchmarks ===


def training(rounds: int) -> list[Row]:
    """The same network, faster: images per second of `simple`.

    Wall-clock time of the whole training, graph building and in ours validation among it, without imports.
    """
    candidates = {
        PEER: partial(child, network=PEER, epochs=EPOCHS),
        "ours": partial(child, network="simple", epochs=EPOCHS, recipe=RECIPE),
    }
    runs = by_turns(candidates, rounds)
    ours, peer = ([took["images"] / took["seconds"] for took in runs[name]] for name in ("ours", PEER))
    end, end_of_peer = (runs[name][-1]["ssim"] for name in ("ours", PEER))
    what = f"training simple, {EPOCHS} epochs, to SSIM {end:.3f}, beside {PEER} to {end_of_peer:.3f}"
    return [row(what, "images/s", ours, peer, "≥ 2", also=end_of_peer - end <= CLOSE)]


def quality(rounds: int) -> list[Row]:
    """Time to quality: CPU seconds until validation SSIM passes what plain Keras ends with after 50 epochs.

    Ours is `subpixel`, which starts at random, too, and has a latent of the same size.
    """
    candidates = {
        PEER: partial(child, network=PEER, epochs=EPOCHS_TO_QUALITY),
        OURS: partial(child, network=OURS, epochs=EPOCHS, dtype="float64", every=0.05),
    }
    runs = by_turns(candidates, rounds)
    moments = [reached(took["curve"], of["ssim"]) for took, of in zip(runs[OURS], runs[PEER], strict=True)]
    start = f"{OURS} ({runs[OURS][-1]['curve'][0][1]:.3f} before its first step)"
    what = f"time to quality: {start} to the SSIM of {PEER}, {EPOCHS_TO_QUALITY} epochs"
    return [row(what, "CPU s", moments, [took["cpu_seconds"] for took in runs[PEER]], "≥ 100", faster=True)]


def reached(curve: list[list[float]], quality: float) -> float:
    """The CPU seconds from which on every SSIM of a curve is above `quality`; `BenchmarkError` if the last is not."""
    above = list(takewhile(lambda point: point[1] > quality, reversed(curve)))
    if not above:
        raise BenchmarkError(f"{OURS} ended at SSIM {curve[-1][1]:.4f}, {PEER} at {quality:.4f}")
    return above[-1][0]


def child(**task: Any) -> Any:
    """What `learned` returns, from a process of its own: TensorFlow fixes threads and data type once."""
    return json.loads(run([sys.executable, "-m", "benchmarks.training", json.dumps(task)]).output.splitlines()[-1])


# === One training ===


def learned(
    network: str, epochs: int, dtype: str = "float32", recipe: dict[str, Any] | None = None, every: float = 1e9
) -> dict[str, Any]:
    """Train a network, `PEER` or a variant of params.yaml, by its recipe with changes; look every so many CPU seconds.

    A thread of its own looks, so that the training is the one that it would be unwatched.

    Returns `seconds` and `cpu_seconds` of building and fitting, imports apart; `images` learned from; `ssim` of the
    validation patches in the end; `curve`, pairs of CPU seconds and that SSIM, looks later being rarer.
    """
    train, validation = (PatchSet(PAIRS / split) for split in ("train", "validation"))
    with tensorflow_import():
        if network == PEER:
            build, fit = plain_keras(train, epochs)
        else:
            variant = settings.load().variants[network]
            variant = variant.model_copy(update={"budget": epochs * len(train), **(recipe or {})})
            build, fit = ours(train, validation, variant, dtype)
    cpu, start = time.process_time(), time.perf_counter()
    model = build()
    seen = [(time.process_time() - cpu, model.get_weights())]
    over = threading.Event()

    def look() -> None:
        while not over.wait(min(every, 60) / 4):
            now = time.process_time() - cpu
            if now - seen[-1][0] >= max(every, now / 50):
                seen.append((now, model.get_weights()))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    fit(model)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    over.set()
    thread.join()
    curve = []
    for at, weights in [*seen, (cpu_seconds, model.get_weights())]:
        model.set_weights(weights)
        curve.append([at, ssim(model, *unit(validation))])
    images, end = epochs * len(train), curve[-1][1]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "images": images, "ssim": end, "curve": curve}


def plain_keras(train: PatchSet, epochs: int) -> Way:
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
        model.fit(colour, gray, batch_size=32, epochs=epochs, verbose=0)

    return partial(simple.build, patch=train.patch, inputs=3, outputs=1), fit


def ours(train: PatchSet, validation: PatchSet, variant: Variant, dtype: str) -> Way:
    """A variant, built and trained as the pipeline does it."""
    from stages.train import build, fit, precision

    precision.prepare(threads=THREADS, dtype=dtype, seed=variant.seed)
    return partial(build.build, variant, train.patch), lambda model: fit.fit(model, train, validation, variant)


def unit(patches: PatchSet) -> tuple[np.ndarray, np.ndarray]:
    """All patches in memory, float32 in [0, 1]: `(n, 28, 28, 3)` and `(n, 28, 28, 1)`."""
    return patches.read("colour").astype("float32") / 255, patches.read("gray").astype("float32") / 255


def ssim(model: Any, colour: np.ndarray, gray: np.ndarray) -> float:
    """The mean SSIM of all patches, as `stages.evaluate` scores them."""
    outputs = model.predict(colour, batch_size=256, verbose=0).astype(np.float64)
    return float(measures.ssim(gray[..., 0].astype(np.float64), np.clip(outputs, 0, 1)[..., 0]).mean())


if __name__ == "__main__":
    print(json.dumps(learned(**json.loads(sys.argv[1]))))
