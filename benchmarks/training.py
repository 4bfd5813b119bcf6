"""The same network, faster: images per second of `simple` in training, ours beside plain `fit`.

Ours is the pipeline's own training on the same patches as `benchmarks.original`, for as many epochs, with `RECIPE`; it
must end at the same validation SSIM. Wall-clock time of the whole training, graph building and in ours validation among
it, without imports. The rate is set beside what the machine reaches in float32 matrix products.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import Any

from benchmarks.measure import by_turns, child, goal, ratio, spread

TITLE = "Same network, faster"
EPOCHS = 8  # as many as in params.yaml
THREADS = 2
CLOSE = 0.005  # how far ours may end below the SSIM of the peer
# What differs from the recipe of params.yaml; precision is float32, as in the peer.
RECIPE = {"batch": 64, "learning_rate": 0.004, "flips": False, "quarter_turns": False}
# Multiplications of a forward pass of `simple`: output pixels × channels × 9 × channels in. A training step has three
# times as many, forward, backward to the inputs and backward to the weights, but none back to the photograph.
PASS = (28 * 28 * 32 * 9 * 3, 14 * 14 * 16 * 9 * 32, 7 * 7 * 16 * 9 * 16, 14 * 14 * 32 * 9 * 16, 28 * 28 * 1 * 9 * 32)
OPERATIONS = 2 * (3 * sum(PASS) - PASS[0])  # per image, an addition to every multiplication
SIDE = 2048  # of the matrices


def measure(rounds: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train by turns, every one in a process of its own: the peer, ours, and ours in the pipeline's float64."""
    runs = by_turns(
        {
            "original": partial(child, "original", THREADS, epochs),
            "ours": partial(_train, "float32", {"epochs": epochs, **RECIPE}),
            "pipeline": partial(_train, "float64", {"epochs": epochs}),
            "matrix products": partial(child, "training", THREADS),
        },
        rounds,
    )
    products = runs.pop("matrix products")
    rates = {name: [run["images"] / run["seconds"] for run in found] for name, found in runs.items()}
    ssim = {name: spread([run["ssim"] for run in found]) for name, found in runs.items()}
    used = spread([rate * OPERATIONS / product for rate, product in zip(rates["ours"], products, strict=True)])
    below = ssim["original"]["median"] - ssim["ours"]["median"]
    return {
        "threads": THREADS,
        "epochs": epochs,
        "recipe": RECIPE,
        "images_per_second": {name: spread(found) for name, found in rates.items()},
        "ssim": ssim,
        "matrix_product_operations_per_second": spread(products),
        "operations_per_image": OPERATIONS,
        "share_of_matrix_product_rate": used,
        "float64_by_float32": ratio(rates["ours"], rates["pipeline"]),
        "goals": {
            "training": goal(
                f"Images/s of `simple` in training, {epochs} epochs, to no less than {CLOSE} below the peer's SSIM",
                f"{spread(rates['ours'])['median']:,.0f} images/s to {ssim['ours']['median']:.3f}, "
                f"{used['median']:.0%} of the machine's matrix-product rate",
                f"plain `fit`: {spread(rates['original'])['median']:,.0f} images/s to {ssim['original']['median']:.3f}",
                ratio(rates["ours"], rates["original"]),
                least=2,
                also=below <= CLOSE,
            )
        },
    }


def _train(dtype: str, recipe: dict[str, Any]) -> Any:
    task = {"variant": "simple", "dtype": dtype, "threads": THREADS, "every": 1e9, "recipe": recipe}
    return child("ours", json.dumps(task))


def main() -> None:
    """`python -m benchmarks.training <threads>`: operations per second in float32 matrix products, the best of five."""
    import tensorflow as tf

    threads = int(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    one, other = (tf.random.stateless_normal((SIDE, SIDE), (0, seed)) for seed in (0, 1))
    took = []
    for _ in range(6):  # the first is the warm-up, and the slowest
        start = time.perf_counter()
        tf.linalg.matmul(one, other).numpy()
        took.append(time.perf_counter() - start)
    print(json.dumps(2 * SIDE**3 / min(took)))


if __name__ == "__main__":
    main()
