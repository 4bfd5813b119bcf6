"""How time and memory grow with the number of photographs, stage by stage.

The bundled photographs, repeated with other low bits, so that each has a hash of its own, are read as PNG files from a
folder. Every stage runs once for each number of photographs, as its command stands in dvc.yaml and without DVC, in a
copy of the repository with one variant, `subpixel`, that trains one epoch. Time is CPU time and holds the start of
the stage, which weighs most where there is little to do: beside it stands the time for each further photograph. Memory
is the peak of the largest process, with those pages of mapped files that are in memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from tqdm import tqdm

from benchmarks import copies
from benchmarks.measure import goal, run, spread
from stages.fetch.sources import bundled
from stages.formats import manifest

TITLE = "Growth"
FACTORS = (1, 10, 100)
LIST = Path("stages/fetch/bundled.csv")
VARIANT = "subpixel"
STAGES = {  # as in dvc.yaml, in order
    "fetch": ("stages.fetch",),
    "targets": ("stages.targets",),
    "train": ("stages.train", VARIANT),
    "baselines": ("stages.evaluate", "baselines"),
    "evaluate": ("stages.evaluate", VARIANT),
    "report": ("stages.report",),
}
INPUTS = "photographs"
SOURCE = {
    "source": "folder",
    "inputs": INPUTS,
    "domain": "everyday",
    "matte": [255, 255, 255],
    "strict": True,
    "split": {"by": "subfolder", "validation": 0, "test": 0},
}
SAME = 1.2  # within 20 %
MEMORY = 1.5e9  # bytes


def measure(rounds: int, factors: Sequence[int] = FACTORS, repository: Path = Path()) -> dict[str, Any]:
    """Run the stages for each factor, the smallest first, once whatever `rounds`: a factor of 100 takes minutes."""
    found: dict[str, dict[str, dict[str, float]]] = {stage: {} for stage in STAGES}
    photographs: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        tqdm(total=len(factors) * (len(STAGES) + 1), unit="stage", disable=None) as bar,
    ):
        bar.set_description("photographs")
        pictures = Path(name) / "photographs"
        write_photographs(pictures, max(factors))
        for factor in factors:
            folder = Path(name) / f"times-{factor}"
            photographs[str(factor)] = _workspace(repository, folder, pictures, factor)
            bar.update()
            for stage, (module, *arguments) in STAGES.items():
                bar.set_description(f"{factor} × {stage}")
                cost = run(["python", "-m", module, *arguments], folder)
                found[stage][str(factor)] = {
                    "seconds": cost.seconds,
                    "cpu_seconds": cost.cpu_seconds,
                    "cpu_seconds_per_photograph": cost.cpu_seconds / photographs[str(factor)],
                    "mib": cost.mib,
                }
                bar.update()
    return {"photographs": photographs, "stages": found, **_judged(found, photographs, [str(f) for f in factors])}


def write_photographs(folder: Path, copies: int) -> None:
    """Write every bundled photograph `copies` times as PNG into a subfolder for its split, each with other low bits."""
    for place, (_, row) in enumerate(manifest.read(LIST).iterrows()):
        pixels = bundled.read(row["name"], row["source"])
        (folder / row["split"]).mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            low_bits = np.random.default_rng([place, number]).integers(0, 2, pixels.shape, np.uint8)
            path = folder / row["split"] / f"{row['name']}-{number:03}.png"
            Image.fromarray(pixels & 0xFE | low_bits).save(path, compress_level=1)


def _workspace(repository: Path, folder: Path, photographs: Path, factor: int) -> int:
    """Prepare a copy of the repository for the first `factor` of the copies; how many photographs these are."""
    copies.files_only(repository, folder)
    chosen = [path for path in sorted(photographs.glob("*/*.png")) if int(path.stem.rpartition("-")[2]) < factor]
    for path in chosen:
        target = folder / INPUTS / path.relative_to(photographs)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["fetch"] = SOURCE
    params["variants"] = {VARIANT: params["variants"][VARIANT]}
    params["train"]["recipe"] |= {"epochs": 1, "warmup_epochs": 0}
    yaml.dump(params, folder / "params.yaml")
    return len(chosen)


def _judged(
    found: dict[str, dict[str, dict[str, float]]], photographs: dict[str, int], factors: list[str]
) -> dict[str, Any]:
    """How the largest factor compares with the one before it, in time per photograph and in memory, and the goals."""
    before, last = factors[-2:]
    growth: dict[str, dict[str, float]] = {}
    for stage, at in found.items():
        further = (at[last]["cpu_seconds"] - at[before]["cpu_seconds"]) / (photographs[last] - photographs[before])
        growth[stage] = {
            "time_per_photograph": at[last]["cpu_seconds_per_photograph"] / at[before]["cpu_seconds_per_photograph"],
            "memory": at[last]["mib"] / at[before]["mib"],
            "cpu_seconds_per_further_photograph": further,
        }
    slowest = max(growth, key=lambda stage: growth[stage]["time_per_photograph"])
    largest = max(found, key=lambda stage: found[stage][last]["mib"])
    fattest = max(growth, key=lambda stage: growth[stage]["memory"])
    per = {factor: 1000 * found[slowest][factor]["cpu_seconds_per_photograph"] for factor in (before, last)}
    gib = [found[fattest][factor]["mib"] / 1024 for factor in (before, last)]
    top = found[largest][last]["mib"] * 2**20
    return {
        "growth": growth,
        "goals": {
            "growth_time": goal(
                f"CPU time per photograph at {last} × against {before} ×, in the stage that grows most ({slowest})",
                f"{per[last]:.0f} ms with {photographs[last]:,} photographs",
                f"{per[before]:.0f} ms with {photographs[before]:,}",
                spread([growth[slowest]["time_per_photograph"]]),
                most=SAME,
            ),
            "growth_memory": goal(
                f"Peak memory at {last} × against {before} ×, in the stage that grows most ({fattest}); "
                f"none above {MEMORY / 1e9:g} GB",
                f"at most {top / 1e9:.2f} GB ({largest})",
                f"{fattest}: {' GiB, then '.join(f'{value:.2f}' for value in gib)} GiB",
                spread([growth[fattest]["memory"]]),
                most=SAME,
                also=top < MEMORY,
            ),
        },
    }
