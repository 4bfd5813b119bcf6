"""One training, timed, in a process of its own: `python -m benchmarks.learn '<JSON>'` prints what it took as JSON.

The peer is `simple` as a person would first write it, with plain Keras: float32, patches in memory, batch 32, Adam at
0.001, mean squared error. Ours is `stages.train.fit.fit` on the same patches, as the pipeline calls it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from grayscale.core.tensorflow_import import tensorflow_import
from stages.common import settings
from stages.evaluate import measures
from stages.formats.patches import PatchSet

PAIRS = Path("data/pairs")
THREADS = 2
PEER, PATCHES = "plain Keras", "patches"  # beside the variants of params.yaml
Seen = list[tuple[float, list[np.ndarray]]]  # CPU seconds since the start, and the weights at that moment


def main() -> None:
    print(json.dumps(learned(**json.loads(sys.argv[1]))))


def learned(
    network: str, epochs: int, dtype: str = "float32", recipe: dict[str, Any] | None = None, every: float = 1e9
) -> dict[str, Any]:
    """Train a network and say what it took, imports apart.

    Args:
        network: `PEER`, `PATCHES`, or a variant of params.yaml.
        epochs: how many.
        dtype: of ours, as `train.precision`.
        recipe: what differs from the variant's recipe.
        every: CPU seconds between two looks at the network.

    Returns:
        `seconds` and `cpu_seconds` of building and fitting; `images` learned from; `ssim` of the validation patches in
        the end; `first_step`, the CPU seconds after which the weights had changed; `curve`, pairs of CPU seconds and
        that SSIM.
    """
    with tensorflow_import():
        from stages.train import build, fit, precision
    train, validation = (PatchSet(PAIRS / split) for split in ("train", "validation"))
    variant = settings.load().variants["subpixel" if network in (PEER, PATCHES) else network]
    variant = variant.model_copy(update={"epochs": epochs, **(recipe or {})})
    if network == PEER:
        prepare_peer()
    else:
        precision.prepare(threads=THREADS, dtype=dtype, seed=variant.seed)
    arrays = unit(train) if network == PEER else ()
    cpu, start = time.process_time(), time.perf_counter()
    if network in (PEER, PATCHES):
        model = plain_keras() if network == PEER else plain_patches(train.patch)
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
    changed = [at for at, weights in seen if not all(map(np.array_equal, seen[0][1], weights))]
    curve = []
    for at, weights in seen:
        model.set_weights(weights)
        curve.append([at, ssim(model, *unit(validation))])
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "images": epochs * len(train),
        "ssim": curve[-1][1],
        "first_step": changed[0],
        "curve": curve,
    }


@contextmanager
def watched(model: Any, every: float, start: float) -> Iterator[Seen]:
    """The weights of `model` while the body trains it: first, then every `every` CPU seconds, later more rarely.

    A thread of its own reads them, so that the training is the one that it would be unwatched. What the weights are
    worth is computed afterwards.
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


def plain_keras() -> Any:
    """The network of `simple`."""
    import keras
    from keras import layers

    convolution = {"activation": "relu", "padding": "same"}
    return keras.Sequential(
        [
            layers.Input((28, 28, 3)),
            layers.Conv2D(32, 3, **convolution),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, **convolution),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, **convolution),
            layers.UpSampling2D(2),
            layers.Conv2D(32, 3, **convolution),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ]
    )


def plain_patches(patch: int) -> Any:
    """A network without any head start: patch convolutions with random weights and depth to space, 1,056 parameters.

    The latent has the 784 numbers of `simple`. Initial weights are orthogonal (Saxe et al. 2014, arXiv:1312.6120).
    """
    import keras
    from keras import layers, ops

    cells = patch // 4
    image = keras.Input((patch, patch, 3), name="image")
    x = layers.Conv2D(16, 4, strides=4, kernel_initializer="orthogonal", name="latent")(image)  # (7, 7, 16)
    x = layers.Conv2D(16, 1, kernel_initializer="orthogonal", name="decode")(x)  # (7, 7, 16)
    x = ops.reshape(x, (-1, cells, cells, 4, 4))  # (7, 7, 4, 4)
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (-1, patch, patch, 1))  # (28, 28, 1)
    return keras.Model(image, x, name=PATCHES)


if __name__ == "__main__":
    main()
