"""Photographs of one's own: a folder of real files, faults among them, and a further test set beside it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests import leaves
from tests.conftest import Workspace, repository_copy

pytestmark = pytest.mark.long
FOLDER = {"source": "folder", "inputs": "photographs"}
GARDEN = {"source": "folder", "inputs": "garden"}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed workspace after `make repro` on 18 photographs, a copy, a broken file and a text.

    The recipe is the one that we ship; the network is adaptive, which takes the fewest steps.
    """
    workspace = repository_copy(tmp_path_factory.mktemp("walked") / "workspace")
    (workspace.folder / "dvc.lock").unlink()
    shutil.rmtree(workspace.folder / "metrics/scores")
    photographs = workspace.folder / "photographs"
    leaves.write(photographs, range(18), 240, 320)
    shutil.copy(photographs / "walk 0/leaves-001.png", photographs / "copy.png")
    (photographs / "broken.jpg").write_bytes((photographs / "walk 0/leaves-000.jpg").read_bytes()[:900])
    (photographs / "notes.txt").write_text("Sunny.")
    leaves.write(workspace.folder / "garden", range(24, 28))
    workspace.keep_variants("adaptive")
    workspace.edit_params(fetch=FOLDER, test_sets={"garden": GARDEN})
    workspace.run("make", "repro", "RUNTIME=")
    workspace.commit("Our own photographs")
    return workspace


def test_other_peoples_photographs_are_learned_by_the_recipe_as_shipped(walked: Workspace) -> None:
    found = json.loads((walked.folder / "data/evaluations/adaptive/summary.json").read_text())["scores"]
    assert {"pca_261", "dct_261", "dct_radial_261"} < set(found)
    assert max(found, key=lambda name: found[name]["psnr"]) == "adaptive"


def test_a_folder_of_photographs_is_split_by_content_and_what_is_broken_is_told(walked: Workspace) -> None:
    manifest = pd.read_csv(walked.folder / "data/photos/manifest.csv").set_index("name")
    assert len(manifest) == 19
    assert set(manifest["split"]) == {"train", "validation", "test"}
    assert manifest.loc["copy.png", "split"] == manifest.loc["walk 0/leaves-001.png", "split"]
    skipped = pd.read_csv(walked.folder / "data/photos/skipped.csv")
    assert skipped.to_dict("records") == [{"file": "broken.jpg", "reason": "truncated"}]


def test_a_further_test_set_has_rows_of_its_own(walked: Workspace) -> None:
    found = json.loads((walked.folder / "data/evaluations/test_sets/garden/summary.json").read_text())
    scores = {name: score for evaluation in found.values() for name, score in evaluation["scores"].items()}
    assert scores["luma"]["psnr"] > scores["mean_rgb"]["psnr"]
    assert scores["adaptive"]["patches"] == scores["luma"]["patches"] > 0
    assert "garden" in (walked.folder / "metrics/results.md").read_text()
    assert "garden" in (walked.folder / "data/report/index.html").read_text()


def test_a_photograph_more_in_a_test_set_trains_nothing_and_removing_the_set_neither(
    walked: Workspace, tmp_path: Path
) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    leaves.write(workspace.folder / "garden", range(28, 29))
    assert set(workspace.stages_run()) == {"fetch_set@garden", "evaluate_set@garden", "report"}
    workspace.edit_params(test_sets={})
    assert workspace.stages_run() == ["report"]
    assert "garden" not in (workspace.folder / "metrics/results.md").read_text()


def test_a_test_set_with_a_photograph_that_was_trained_on_is_refused(walked: Workspace, tmp_path: Path) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    manifest = pd.read_csv(workspace.folder / "data/photos/manifest.csv")
    trained = manifest[manifest["split"] == "train"]["name"].iloc[0]
    shutil.copy(workspace.folder / "photographs" / trained, workspace.folder / "garden" / f"seen{Path(trained).suffix}")
    refused = workspace.run("dvc", "repro", "evaluate_set", ok=False)
    assert f"as {trained!r}, which is in train; take them out" in refused.stderr


def test_a_strict_folder_with_a_broken_file_is_refused_and_results_come_back(walked: Workspace, tmp_path: Path) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    workspace.edit_params(fetch={**FOLDER, "strict": True})
    before = (workspace.folder / "data/photos/manifest.csv").read_bytes()
    refused = workspace.run("dvc", "repro", "--single-item", "fetch", ok=False)
    assert "broken.jpg: truncated" in refused.stderr
    assert [path.name for path in (workspace.folder / "data").iterdir() if path.suffix == ".partial"] == []
    workspace.run("git", "checkout", "--", "params.yaml")
    workspace.run("dvc", "checkout", ok=False)
    assert (workspace.folder / "data/photos/manifest.csv").read_bytes() == before
