"""Additions of the README's table: code takes only the files that it names; photographs and test sets, only params."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests import samples
from tests.conftest import Workspace, repository_copy, stages_of

pytestmark = pytest.mark.long

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

from stages.fetch.source import Photograph, Plan, Source


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


# Path → a new file's text, or text to insert before other text of an old file; changes of params.yaml; the stages
# whose inputs are changed.
Addition = tuple[dict[str, str | dict[str, str]], dict[str, Any], set[str]]
RAMPS = {"source": "ramps", "inputs": "stages/fetch/sources/ramps.py"}
EVALUATIONS = {"baselines", "evaluate@simple", "evaluate@subpixel"}
ADDITIONS: dict[str, Addition] = {
    "network": (
        {"stages/networks/mine.py": NETWORK, "stages/networks/registry.py": {'    "simple"': '    "mine": {},\n'}},
        {"variants__mine": {"network": "mine"}},
        {"train@mine"},  # DVC plans no further than a missing output
    ),
    "conversion": (
        {"grayscale/conversions.py": {"LIGHT = ": CONVERSION, "        bt601, bt709,": "        red,\n"}},
        {"targets__conversion": "red"},
        {"targets", *EVALUATIONS},
    ),
    "source": (
        {"stages/fetch/sources/ramps.py": SOURCE, "docs/sources.md": {"## Split": "## Ramps\n\n`count` of them.\n\n"}},
        {},
        {"fetch"},
    ),
    "measure": (
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
    files, params, _ = addition
    for file, what in files.items():
        path = workspace.folder / file
        content = what if isinstance(what, str) else path.read_text()
        for before, text in what.items() if isinstance(what, dict) else ():
            assert before in content
            content = content.replace(before, text + before, 1)
        path.write_text(content)
    workspace.edit_params(**params)


def test_an_addition_takes_the_files_of_the_readme_and_works(workspace: Workspace) -> None:
    for name, addition in ADDITIONS.items():
        files, params, stale = addition
        add(workspace, addition)
        planned = set(stages_of(workspace.run("dvc", "repro", "--dry", ok=name != "network").stdout))
        status = workspace.run("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
        expected = {*files, *(["params.yaml"] if params else [])}
        assert (planned, {line[3:] for line in status}) == (stale, expected), name
        workspace.run("git", "reset", "--quiet", "--hard")
        workspace.run("git", "clean", "--quiet", "-d", "--force")

    for addition in ADDITIONS.values():
        add(workspace, addition)
    workspace.edit_params(fetch=RAMPS)
    workspace.run("python", "-m", "stages.check")
    workspace.run("dvc", "repro", "baselines", "evaluate@mine")
    manifest = pd.read_csv(workspace.folder / "data/photos/manifest.csv")
    assert manifest["source"].tolist() == ["ramps"] * 5
    assert set(manifest["split"]) == {"train", "validation", "test"}

    colour = np.load(workspace.folder / "data/pairs/train/colour-00000.npy")
    assert np.array_equal(np.load(workspace.folder / "data/pairs/train/gray-00000.npy")[..., 0], colour[..., 0])
    Image.fromarray(colour[0]).save(workspace.folder / "patch.png")
    workspace.run("python", "-m", "grayscale", "patch.png", "--method", "red")
    assert np.array_equal(np.asarray(Image.open(workspace.folder / "patch.gray.png")), colour[0, ..., 0])

    network = json.loads((workspace.folder / "metrics/scores/mine.json").read_text())
    assert network["latent"] > 0
    assert 0 < network["psnr"] < 100
    scores = json.loads((workspace.folder / "data/evaluations/baselines/summary.json").read_text())["scores"]
    assert scores["luma"]["worst"] < scores["green"]["worst"]


# === Photographs ===


def test_other_photographs_train_the_shipped_recipe_and_a_further_test_set_is_scored(tmp_path: Path) -> None:
    """On 18 photographs, a copy and a broken file; `adaptive` takes the fewest steps."""
    workspace = repository_copy(tmp_path / "workspace")
    (workspace.folder / "dvc.lock").unlink()
    shutil.rmtree(workspace.folder / "metrics/scores")
    photographs = workspace.folder / "photographs"
    samples.write_leaves(photographs, range(18), 240, 320)
    shutil.copy(photographs / "walk 0/leaves-001.png", photographs / "copy.png")
    (photographs / "broken.jpg").write_bytes((photographs / "walk 0/leaves-000.jpg").read_bytes()[:900])
    samples.write_leaves(workspace.folder / "garden", range(24, 28))
    workspace.keep_variants("adaptive")
    fetch, garden = ({"source": "folder", "inputs": name} for name in ("photographs", "garden"))
    workspace.edit_params(fetch=fetch, test_sets={"garden": garden})
    workspace.run("make", "repro", "RUNTIME=")
    manifest = pd.read_csv(workspace.folder / "data/photos/manifest.csv").set_index("name")
    assert len(manifest) == 19
    assert manifest.loc["copy.png", "split"] == manifest.loc["walk 0/leaves-001.png", "split"]
    found = json.loads((workspace.folder / "data/evaluations/adaptive/summary.json").read_text())["scores"]
    assert {"pca_261", "dct_261", "dct_radial_261"} < set(found)
    assert max(found, key=lambda name: found[name]["psnr"]) == "adaptive"

    found = json.loads((workspace.folder / "data/evaluations/test_sets/garden/summary.json").read_text())
    scores = {name: score for evaluation in found.values() for name, score in evaluation["scores"].items()}
    assert scores["luma"]["psnr"] > scores["mean_rgb"]["psnr"]
    assert scores["adaptive"]["patches"] == scores["luma"]["patches"] > 0
    for page in ("metrics/results.md", "data/report/index.html"):
        assert "garden" in (workspace.folder / page).read_text()

    samples.write_leaves(workspace.folder / "garden", range(28, 29))
    assert set(workspace.stages_run()) == {"fetch_set@garden", "evaluate_set@garden", "report"}
    workspace.edit_params(test_sets={})
    assert workspace.stages_run() == ["report"]
    assert "garden" not in (workspace.folder / "metrics/results.md").read_text()
