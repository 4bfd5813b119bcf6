"""What the pipeline costs: when there is nothing to do, and with ten times as many photographs."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from benchmarks import LIST, BenchmarkError, Row, by_turns, photographs, row, run
from stages.formats import manifest

COPIES = (10, 100)
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


def overhead(rounds: int) -> list[Row]:
    """`dvc repro` with nothing to do beside `dvc --version`, and DVC alone: one stage that copies a file.

    CPU seconds of all processes, which other work on the machine changes little. The first round is the warm-up.
    """
    if "Running stage" in run(["dvc", "repro", "--dry"]).output:
        raise BenchmarkError("the results are not current; run `make repro`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "input").write_text("1\n", encoding="utf-8")
        stage = ["dvc", "stage", "add", "--name", "copy", "--deps", "input", "--outs", "output", "cp input output"]
        for command in (["git", "init", "--quiet"], ["dvc", "init"], stage, ["dvc", "repro"]):
            run(command, folder)
        timed = {
            "version": partial(run, ["dvc", "--version"]),
            "here": partial(run, ["dvc", "repro"]),
            "one stage": partial(run, ["dvc", "repro"], folder),
        }
        found = by_turns(timed, rounds + 1)
    version, here, one_stage = ([cost.cpu_seconds for cost in costs[1:]] for costs in found.values())
    return [
        row("no-op dvc repro, beside dvc --version", "CPU s", here, version, "≤ 3"),
        row("no-op dvc repro, beside dvc repro of one stage that copies a file", "CPU s", here, one_stage),
    ]


def growth(rounds: int) -> list[Row]:
    """How time and memory grow from 110 photographs to 1,100, stage by stage.

    The photographs are the bundled ones, repeated with other low bits so that each has its own hash. Every stage runs
    once for each number of photographs, whatever `rounds`, by its command in dvc.yaml but without DVC, in a copy of the
    code with one variant, `subpixel`, that trains one epoch. Time includes the start of the stage. Memory is the peak
    of the largest process; pages of mapped files count.
    """
    costs = []
    with tempfile.TemporaryDirectory() as name:
        for copies in COPIES:
            folder = Path(name) / str(copies)
            workspace(folder, copies)
            stages = {stage: partial(run, ["python", "-m", *command], folder) for stage, command in STAGES.items()}
            costs.append(by_turns(stages, 1))
    rows = []
    few, many = (copies * len(manifest.read(LIST)) for copies in COPIES)
    for stage in STAGES:
        before, after = (found[stage][0] for found in costs)
        ours, peer = 1000 * after.cpu_seconds / many, 1000 * before.cpu_seconds / few
        what = f"{stage}: time per photograph with {many:,}, beside {few:,}"
        rows.append(row(what, "CPU ms", [ours], [peer], "≤ 1.2"))
        what = f"{stage}: peak memory with {many:,} photographs, at most {MEMORY / 1e9:g} GB, beside {few:,}"
        rows.append(row(what, "MiB", [after.mib], [before.mib], "≤ 1.2", also=after.mib * 2**20 <= MEMORY))
    return rows


def workspace(folder: Path, copies: int) -> None:
    """Copy the code to `folder`, with each bundled photograph `copies` times as PNG files in a folder for its split."""
    folder.mkdir()
    for name in NEEDED:
        (shutil.copytree if Path(name).is_dir() else shutil.copy2)(name, folder / name)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["fetch"] = SOURCE
    params["variants"] = {VARIANT: params["variants"][VARIANT]}
    params["train"]["recipe"] |= {"budget": 1, "warmup": 0}
    yaml.dump(params, folder / "params.yaml")
    splits = manifest.read(LIST)["split"]
    for place, (split, (name, pixels)) in enumerate(zip(splits, photographs().items(), strict=True)):
        to = folder / str(SOURCE["inputs"]) / split
        to.mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            low_bits = np.random.default_rng([place, number]).integers(0, 2, pixels.shape, np.uint8)
            Image.fromarray(pixels & 0xFE | low_bits).save(to / f"{name}-{number:03}.png", compress_level=1)
