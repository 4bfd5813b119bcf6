"""How time and memory grow from 110 photographs to 1,100, stage by stage.

The bundled photographs, repeated with other low bits, so that each has a hash of its own, are read as PNG files from a
folder. Every stage runs once for each number of photographs, whatever `rounds`, as its command stands in dvc.yaml and
without DVC, in a copy of the code with one variant, `subpixel`, that trains one epoch. Time holds the
start of the stage. Memory is the peak of the largest process, pages of mapped files that are in memory among it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from tqdm import tqdm

from benchmarks.measure import Cost, Row, row, run
from stages.fetch.sources import bundled
from stages.formats import manifest

COPIES = (10, 100)
LIST = Path("stages/fetch/bundled.csv")
NEEDED = ("grayscale", "stages", "metrics", "dvc.yaml", "params.yaml", "environment.yaml", "engine.yaml")
VARIANT = "subpixel"
STAGES = {  # as in dvc.yaml, in order
    "fetch": ("stages.fetch",),
    "targets": ("stages.targets",),
    "train": ("stages.train", VARIANT),
    "baselines": ("stages.evaluate", "baselines"),
    "evaluate": ("stages.evaluate", VARIANT),
    "report": ("stages.report",),
}
SOURCE = {"source": "folder", "inputs": "photographs", "split": {"by": "subfolder", "validation": 0, "test": 0}}
MEMORY = 1.5e9  # bytes


def measure(rounds: int, copies: Sequence[int] = COPIES) -> list[Row]:
    """Run the stages for each number of copies, the smaller first; a row for time and one for memory of each stage."""
    del rounds
    found: dict[str, list[Cost]] = {stage: [] for stage in STAGES}
    photographs = []
    with tempfile.TemporaryDirectory() as name, tqdm(total=len(copies) * len(STAGES), disable=None) as bar:
        for number in copies:
            folder = Path(name) / str(number)
            photographs.append(_workspace(folder, number))
            for stage, (module, *arguments) in STAGES.items():
                bar.set_description(f"{photographs[-1]} photographs, {stage}")
                found[stage].append(run(["python", "-m", module, *arguments], folder))
                bar.update()
    rows = []
    few, many = photographs
    for stage, (before, after) in found.items():
        ours, peer = 1000 * after.cpu_seconds / many, 1000 * before.cpu_seconds / few
        what = f"{stage}: time per photograph with {many:,}, beside {few:,}"
        rows.append(row(what, "CPU ms", [ours], [peer], "≤ 1.2"))
        what = f"{stage}: peak memory with {many:,} photographs, at most {MEMORY / 1e9:g} GB, beside {few:,}"
        small = after.mib * 2**20 <= MEMORY
        rows.append(row(what, "MiB", [after.mib], [before.mib], "≤ 1.2", also=small))
    return rows


def _workspace(folder: Path, copies: int) -> int:
    """Copy the code to `folder`, with so many copies of every photograph; how many these are."""
    folder.mkdir()
    for name in NEEDED:
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy2
        copy(name, folder / name)
    written = write_photographs(folder / str(SOURCE["inputs"]), copies)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["fetch"] = SOURCE
    params["variants"] = {VARIANT: params["variants"][VARIANT]}
    params["train"]["recipe"] |= {"epochs": 1, "warmup_epochs": 0}
    yaml.dump(params, folder / "params.yaml")
    return written


def write_photographs(folder: Path, copies: int) -> int:
    """Write every bundled photograph `copies` times as PNG into a subfolder for its split, each with other low bits."""
    table = manifest.read(LIST)
    for place, (_, photo) in enumerate(table.iterrows()):
        pixels = bundled.read(photo["name"], photo["source"])
        (folder / photo["split"]).mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            low_bits = np.random.default_rng([place, number]).integers(0, 2, pixels.shape, np.uint8)
            path = folder / photo["split"] / f"{photo['name']}-{number:03}.png"
            Image.fromarray(pixels & 0xFE | low_bits).save(path, compress_level=1)
    return copies * len(table)
