"""The pipeline's own training, timed: `python -m benchmarks.ours '<JSON>'` in a process of its own prints JSON.

It is `stages.train.fit.fit` on the pipeline's patches, as `stages.train` calls it, and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from grayscale.core.levels import to_unit
from grayscale.core.tensorflow_import import tensorflow_import
from stages.common import settings
from stages.formats.patches import PatchSet

PAIRS = Path("data/pairs")


def main() -> None:
    print(json.dumps(trained(**json.loads(sys.argv[1]))))


def trained(
    variant: str, dtype: str, threads: int, recipe: dict[str, Any], every: float, patches: bool = False
) -> dict[str, Any]:
    """Train a variant and say what it took.

    Args:
        variant: of params.yaml, for its recipe and its network.
        dtype: as `train.precision`.
        threads: as `train.threads`.
        recipe: what differs from the variant's recipe.
        every: CPU seconds between two looks at the network.
        patches: the network of `benchmarks.patches` instead of the variant's.

    Returns:
        `parameters`; `import_cpu_seconds`; `cpu_seconds` and `seconds` of building and fitting; `first_step`, the CPU
        seconds after which the weights had changed; `images` that were learned from; `ssim` on validation patches in
        the end; `curve`, pairs of CPU seconds and that SSIM.
    """
    before = time.process_time()
    with tensorflow_import():
        from stages.train import build, fit, precision
    imported = time.process_time() - before
    from benchmarks import patches as plain
    from benchmarks.watch import Watch, ssim

    chosen = settings.load().variants[variant].model_copy(update=recipe)
    precision.prepare(threads=threads, dtype=dtype, seed=chosen.seed)
    train, validation = (PatchSet(PAIRS / split) for split in ("train", "validation"))
    building, start = time.process_time(), time.perf_counter()
    model = plain.build(train.patch) if patches else build.build(chosen, train.patch)
    built = time.process_time() - building
    with Watch(model, every) as watch:
        epochs = len(fit.fit(model, train, validation, chosen))
    seconds = time.perf_counter() - start
    changed = watch.first_change() or watch.seconds
    unseen = [to_unit(validation.read(kind), dtype) for kind in ("colour", "gray")]
    return {
        "parameters": model.count_params(),
        "import_cpu_seconds": imported,
        "cpu_seconds": built + watch.seconds,
        "seconds": seconds,
        "first_step": built + changed,
        "images": epochs * len(train),
        "ssim": ssim(model, *unseen),
        "curve": [(built + moment, value) for moment, value in watch.curve(*unseen)],
    }


if __name__ == "__main__":
    main()
