"""The peer: `simple` as a person would first write it, with plain Keras. Nothing of the pipeline but its patches.

`python -m benchmarks.original <threads> <epochs>` trains in a process of its own and prints what it took as JSON:
float32, patches in memory, batch 32, Adam at 0.001, mean squared error, no augmentation.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

BATCH = 32
PAIRS = Path("data/pairs")


def arrays(split: str) -> tuple[np.ndarray, np.ndarray]:
    """All patches of a split in memory, float32 in [0, 1]: `(n, 28, 28, 3)` and `(n, 28, 28, 1)`."""
    colour, gray = (
        np.concatenate([np.load(path) for path in sorted((PAIRS / split).glob(f"{kind}-*.npy"))])
        for kind in ("colour", "gray")
    )
    return colour.astype("float32") / 255, gray.astype("float32") / 255


def main() -> None:
    threads, epochs = map(int, sys.argv[1:])
    before = time.process_time()
    import tensorflow as tf  # isort: skip
    import keras
    from keras import layers

    imported = time.process_time() - before
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(1)

    colour, gray = arrays("train")
    model = keras.Sequential(
        [
            layers.Input((28, 28, 3)),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ]
    )
    from benchmarks.watch import Watch, ssim

    moments = [time.perf_counter()]
    with Watch(model, every=1.0) as watch:
        model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mse")
        model.fit(
            colour,
            gray,
            batch_size=BATCH,
            epochs=epochs,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: moments.append(time.perf_counter()))],
        )
    unseen = arrays("validation")
    found = {
        "parameters": model.count_params(),
        "import_cpu_seconds": imported,
        "cpu_seconds": watch.seconds,
        "seconds": moments[-1] - moments[0],
        "images": len(colour) * epochs,
        "ssim": ssim(model, *unseen),
        "curve": watch.curve(*unseen),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
