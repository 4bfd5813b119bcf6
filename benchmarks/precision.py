"""What portable training costs: `python -m benchmarks.precision` times one epoch in float64 against float32.

Ratios of one run, each pair one after the other in processes of its own; the median and range of all pairs. Needs
data/pairs (`make repro`).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from stages import settings

# In a process of its own, since threads and data type are chosen once. The first epoch of the two is the warm-up.
EPOCH = """
import sys, time
from pathlib import Path
from stages import settings
from stages.stage import tensorflow_import
from stages.targets.patches import PatchSet
with tensorflow_import():
    from stages.train import build, fit, precision
name, dtype = sys.argv[1:]
checked = settings.load()
recipe = checked.variants[name].model_copy(update={"epochs": 2, "warmup_epochs": 1})
precision.prepare(threads=checked.train.threads, dtype=dtype, seed=recipe.seed)
train, validation = (PatchSet(Path("data/pairs") / split) for split in ("train", "validation"))
model = build.build(recipe, train.patch)
ends = []
keep = fit.Curve.on_epoch_end
fit.Curve.on_epoch_end = lambda self, *arguments: (ends.append(time.perf_counter()), keep(self, *arguments))[1]
fit.fit(model, train, validation, recipe)
print(ends[1] - ends[0])
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    known = list(settings.load().variants)
    parser.add_argument("variants", nargs="*", help="to be timed (default all)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs per variant (default 5)")
    arguments = parser.parse_args()
    if unknown := set(arguments.variants) - set(known):
        parser.error(f"no variant {', '.join(sorted(unknown))}; params.yaml has {', '.join(known)}")
    if not Path("data/pairs/train").is_dir():
        raise SystemExit("benchmarks.precision: data/pairs is missing; run `make repro`")
    ratios: dict[str, list[float]] = {name: [] for name in arguments.variants or known}
    for _ in tqdm(range(arguments.pairs), unit="round", disable=None):
        for name in ratios:
            ratios[name].append(epoch(name, "float64") / epoch(name, "float32"))
    for name, found in ratios.items():
        print(f"{name}: float64 / float32 = {statistics.median(found):.2f} ({min(found):.2f}…{max(found):.2f})")


def epoch(name: str, dtype: str) -> float:
    """Seconds of the second epoch of a variant."""
    result = subprocess.run([sys.executable, "-c", EPOCH, name, dtype], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


if __name__ == "__main__":
    main()
