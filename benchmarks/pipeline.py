"""What the pipeline costs: when there is nothing to do, and with ten times as many photographs."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML
from tqdm import tqdm

from benchmarks.measure import LIST, BenchmarkError, Cost, Row, by_turns, photographs, row, run
from stages.formats import manifest

COMMANDS = {"version": ["dvc", "--version"], "here": ["dvc", "repro"], "one stage": ["dvc", "repro"]}
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
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder)
        (one / "input").write_text("1\n", encoding="utf-8")
        stage = ["dvc", "stage", "add", "--name", "copy", "--deps", "input", "--outs", "output", "cp input output"]
        for command in (["git", "init", "--quiet"], ["dvc", "init"], stage, ["dvc", "repro"]):
            run(command, one)
        folders = {"one stage": one}
        timed = {name: partial(run, command, folders.get(name, Path())) for name, command in COMMANDS.items()}
        found = by_turns(timed, rounds + 1)
    cpu = {name: [cost.cpu_seconds for cost in costs[1:]] for name, costs in found.items()}
    peers = {"dvc --version": ("version", "≤ 3"), "dvc repro of one stage that copies a file": ("one stage", "")}
    return [
        row(f"no-op dvc repro, beside {words}", "CPU s", cpu["here"], cpu[peer], goal)
        for words, (peer, goal) in peers.items()
    ]


def growth(rounds: int) -> list[Row]:
    """How time and memory grow from 110 photographs to 1,100, stage by stage.

    The bundled photographs, repeated with other low bits, so that each has a hash of its own, are read as PNG files
    from a folder. Every stage runs once for each number of photographs, whatever `rounds`, as its command stands in
    dvc.yaml and without DVC, in a copy of the code with one variant, `subpixel`, that trains one epoch. Time holds the
    start of the stage. Memory is the peak of the largest process, pages of mapped files that are in memory among it.
    """
    del rounds
    found: dict[str, list[Cost]] = {stage: [] for stage in STAGES}
    photographs = []
    with tempfile.TemporaryDirectory() as name, tqdm(total=len(COPIES) * len(STAGES), disable=None) as bar:
        for number in COPIES:
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
        (shutil.copytree if Path(name).is_dir() else shutil.copy2)(name, folder / name)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["fetch"] = SOURCE
    params["variants"] = {VARIANT: params["variants"][VARIANT]}
    params["train"]["recipe"] |= {"budget": 1, "warmup": 0}
    yaml.dump(params, folder / "params.yaml")
    return write_photographs(folder / str(SOURCE["inputs"]), copies)


def write_photographs(folder: Path, copies: int) -> int:
    """Write every bundled photograph `copies` times as PNG into a subfolder for its split, each with other low bits."""
    splits = manifest.read(LIST)["split"]
    for place, (split, (name, pixels)) in enumerate(zip(splits, photographs().items(), strict=True)):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            low_bits = np.random.default_rng([place, number]).integers(0, 2, pixels.shape, np.uint8)
            path = folder / split / f"{name}-{number:03}.png"
            Image.fromarray(pixels & 0xFE | low_bits).save(path, compress_level=1)
    return copies * len(splits)
