"""Adding a network, a conversion, a source or a measure takes the files that the README names, and no other."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import Workspace

NETWORK = '''"""`mine`: a weighted sum of the channels."""

import keras
from keras import layers


def build(*, patch: int, inputs: int, outputs: int) -> keras.Model:
    """One 1 × 1 convolution."""
    image = keras.Input((patch, patch, inputs), name="image")
    latent = layers.Conv2D(1, 1, name="latent")(image)
    return keras.Model(image, layers.Conv2D(outputs, 1, name="output")(latent), name="mine")
'''
CONVERSION = '''def red(photograph: np.ndarray) -> np.ndarray:
    """The encoded red value alone."""
    return photograph[..., 0].copy()


'''
SOURCE = '''"""Source `squares`: photographs of one colour."""

from pathlib import Path

import numpy as np

from stages.fetch.photograph import Photograph, Plan
from stages.fetch.settings import Source


class Settings(Source):
    """So many of them."""

    count: int = 5


def plan(settings: Settings, _: Path) -> Plan:
    return Plan(square, range(settings.count), [0] * settings.count)


def square(number: int) -> Photograph:
    return Photograph(f"{number}", np.full((40, 40, 3), number, np.uint8), "squares", "none", "flat")
'''
MEASURE = '''def worst(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The largest error of each image, `(n,)`."""
    return np.abs(targets - outputs).max(axis=(1, 2))


'''


@dataclass(frozen=True)
class Addition:
    """What is added.

    Attributes:
        files: path → a new file's text, or for an old one before which text what is put.
        params: the changes of params.yaml that use it; its own file if there are any.
        stale: the stages whose own inputs it touches.
        run: the stage that shows that it works.
    """

    files: dict[str, str | dict[str, str]]
    params: dict[str, Any]
    stale: set[str]
    run: str


SQUARES = {"source": "squares", "inputs": "stages/fetch/sources/squares.py"}
EVALUATIONS = {"baselines", "evaluate@simple", "evaluate@subpixel"}
ADDITIONS = {
    "network": Addition(
        {"stages/networks/mine.py": NETWORK, "stages/networks/registry.py": {'    "simple"': '    "mine": {},\n'}},
        {"variants__mine": {"network": "mine"}},
        {"train@mine"},  # DVC plans no further than an output that is missing
        "evaluate@mine",
    ),
    "conversion": Addition(
        {"grayscale/conversions.py": {"LIGHT = ": CONVERSION, "        bt601, bt709,": "        red,\n"}},
        {"targets__conversion": "red"},
        {"targets", *EVALUATIONS},
        "targets",
    ),
    "source": Addition(
        {
            "stages/fetch/sources/squares.py": SOURCE,
            "docs/sources.md": {"## Split": "## Squares\n\n`count` of them.\n\n"},
        },
        {},
        {"fetch"},
        "fetch",
    ),
    "measure": Addition(
        {
            "stages/evaluate/measures.py": {
                "def mae(": MEASURE,
                '    "mse": Measure': '    "worst": Measure(worst, "worst pixel"),\n',
            }
        },
        {},
        {*EVALUATIONS, "report"},
        "baselines",
    ),
}


def added(workspace: Workspace, name: str) -> Addition:
    """Make an addition; exactly its files are changed."""
    addition = ADDITIONS[name]
    for file, what in addition.files.items():
        path = workspace.folder / file
        content = what if isinstance(what, str) else path.read_text(encoding="utf-8")
        for before, text in what.items() if isinstance(what, dict) else ():
            assert before in content
            content = content.replace(before, text + before, 1)
        path.write_text(content, encoding="utf-8")
    workspace.edit_params(**addition.params)
    status = workspace.run("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
    expected = {*addition.files, *(["params.yaml"] if addition.params else [])}
    assert {line[3:] for line in status} == expected
    return addition


def the_network_is_trained_and_scored(workspace: Workspace) -> None:
    scores = json.loads((workspace.folder / "metrics/scores/mine.json").read_text())
    assert scores["latent"] > 0
    assert 0 < scores["psnr"] < 100


def the_targets_are_red(workspace: Workspace) -> None:
    colour = np.load(workspace.folder / "data/pairs/train/colour-00000.npy")
    assert np.array_equal(np.load(workspace.folder / "data/pairs/train/gray-00000.npy")[..., 0], colour[..., 0])
    Image.fromarray(colour[0]).save(workspace.folder / "patch.png")
    workspace.run("python", "-m", "grayscale", "patch.png", "--method", "red")
    assert np.array_equal(np.asarray(Image.open(workspace.folder / "patch.gray.png")), colour[0, ..., 0])


def the_squares_are_packed_and_split(workspace: Workspace) -> None:
    manifest = pd.read_csv(workspace.folder / "data/photos/manifest.csv")
    assert len(manifest) == 5
    assert set(manifest["split"]) == {"train", "validation", "test"}


def the_measure_is_in_the_scores(workspace: Workspace) -> None:
    summary = json.loads((workspace.folder / "data/evaluations/baselines/summary.json").read_text())
    assert summary["scores"]["luma"]["worst"] < summary["scores"]["green"]["worst"]


WORKS: dict[str, Callable[[Workspace], None]] = {
    "network": the_network_is_trained_and_scored,
    "conversion": the_targets_are_red,
    "source": the_squares_are_packed_and_split,
    "measure": the_measure_is_in_the_scores,
}


@pytest.mark.long
@pytest.mark.parametrize("name", ADDITIONS)
def test_an_addition_takes_the_files_of_the_readme_and_works(workspace: Workspace, name: str) -> None:
    addition = added(workspace, name)
    workspace.run("python", "-m", "stages.check")
    plan = workspace.run("dvc", "repro", "--dry", ok=name != "network").stdout
    assert {line.split("'")[1] for line in plan.splitlines() if line.startswith("Running stage")} == addition.stale
    if name == "source":  # whose module alone is no reason to use it
        workspace.edit_params(fetch=SQUARES)
    workspace.run("dvc", "repro", addition.run)
    WORKS[name](workspace)
