"""Adding a network, a conversion, a source or a measure takes the files that the README names, and no other."""

import json
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
SOURCE = '''"""Source `ramps`: photographs that get brighter from left to right."""

from pathlib import Path

import numpy as np

from stages.fetch.photograph import Photograph, Plan
from stages.fetch.settings import Source


class Settings(Source):
    """So many of them."""

    count: int = 5


def plan(settings: Settings, _: Path) -> Plan:
    return Plan(ramp, range(settings.count), [0] * settings.count)


def ramp(number: int) -> Photograph:
    pixels = np.broadcast_to(np.linspace((number, 0, 9), (200, 100, 50), 60), (60, 60, 3))
    return Photograph(f"{number}", pixels.astype(np.uint8), "ramps", "none", "smooth")
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
    """

    files: dict[str, str | dict[str, str]]
    params: dict[str, Any]
    stale: set[str]


RAMPS = {"source": "ramps", "inputs": "stages/fetch/sources/ramps.py"}
EVALUATIONS = {"baselines", "evaluate@simple", "evaluate@subpixel"}
ADDITIONS = {
    "network": Addition(
        {"stages/networks/mine.py": NETWORK, "stages/networks/registry.py": {'    "simple"': '    "mine": {},\n'}},
        {"variants__mine": {"network": "mine"}},
        {"train@mine"},  # DVC plans no further than an output that is missing
    ),
    "conversion": Addition(
        {"grayscale/conversions.py": {"LIGHT = ": CONVERSION, "        bt601, bt709,": "        red,\n"}},
        {"targets__conversion": "red"},
        {"targets", *EVALUATIONS},
    ),
    "source": Addition(
        {
            "stages/fetch/sources/ramps.py": SOURCE,
            "docs/sources.md": {"## Split": "## Ramps\n\n`count` of them.\n\n"},
        },
        {},  # a module alone is no reason to use it
        {"fetch"},
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
    ),
}


def add(workspace: Workspace, addition: Addition) -> None:
    for file, what in addition.files.items():
        path = workspace.folder / file
        content = what if isinstance(what, str) else path.read_text(encoding="utf-8")
        for before, text in what.items() if isinstance(what, dict) else ():
            assert before in content
            content = content.replace(before, text + before, 1)
        path.write_text(content, encoding="utf-8")
    workspace.edit_params(**addition.params)


@pytest.mark.long
def test_an_addition_takes_the_files_of_the_readme_and_works(workspace: Workspace) -> None:
    for name, addition in ADDITIONS.items():
        add(workspace, addition)
        plan = workspace.run("dvc", "repro", "--dry", ok=name != "network").stdout
        stale = {line.split("'")[1] for line in plan.splitlines() if line.startswith("Running stage")}
        status = workspace.run("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
        expected = {*addition.files, *(["params.yaml"] if addition.params else [])}
        assert (stale, {line[3:] for line in status}) == (addition.stale, expected), name
        workspace.run("git", "reset", "--quiet", "--hard")
        workspace.run("git", "clean", "--quiet", "-d", "--force")

    for addition in ADDITIONS.values():
        add(workspace, addition)
    workspace.edit_params(fetch=RAMPS)
    workspace.run("python", "-m", "stages.check")
    workspace.run("dvc", "repro", "baselines", "evaluate@mine")
    the_ramps_are_packed_and_split(workspace)
    the_targets_are_red(workspace)
    the_network_is_trained_and_scored(workspace)
    the_measure_is_in_the_scores(workspace)


def the_ramps_are_packed_and_split(workspace: Workspace) -> None:
    manifest = pd.read_csv(workspace.folder / "data/photos/manifest.csv")
    assert len(manifest) == 5
    assert set(manifest["source"]) == {"ramps"}
    assert set(manifest["split"]) == {"train", "validation", "test"}


def the_targets_are_red(workspace: Workspace) -> None:
    colour = np.load(workspace.folder / "data/pairs/train/colour-00000.npy")
    assert np.array_equal(np.load(workspace.folder / "data/pairs/train/gray-00000.npy")[..., 0], colour[..., 0])
    Image.fromarray(colour[0]).save(workspace.folder / "patch.png")
    workspace.run("python", "-m", "grayscale", "patch.png", "--method", "red")
    assert np.array_equal(np.asarray(Image.open(workspace.folder / "patch.gray.png")), colour[0, ..., 0])


def the_network_is_trained_and_scored(workspace: Workspace) -> None:
    scores = json.loads((workspace.folder / "metrics/scores/mine.json").read_text())
    assert scores["latent"] > 0
    assert 0 < scores["psnr"] < 100


def the_measure_is_in_the_scores(workspace: Workspace) -> None:
    summary = json.loads((workspace.folder / "data/evaluations/baselines/summary.json").read_text())
    assert summary["scores"]["luma"]["worst"] < summary["scores"]["green"]["worst"]
