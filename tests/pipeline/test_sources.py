"""The source `folder` with faulty files, and a further test set."""

import json
import shutil

import pandas as pd
import pytest

from tests import samples
from tests.conftest import Workspace, repository_copy

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace after `make repro` on 18 photographs, a copy and a broken file, with a test set `garden`.

    The recipe is the shipped one of `adaptive`, which takes the fewest steps.
    """
    workspace = repository_copy(tmp_path_factory.mktemp("walked") / "workspace")
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
    return workspace


def test_the_shipped_recipe_beats_fixed_codes_on_other_photographs(walked: Workspace) -> None:
    manifest = pd.read_csv(walked.folder / "data/photos/manifest.csv").set_index("name")
    assert len(manifest) == 19
    assert manifest.loc["copy.png", "split"] == manifest.loc["walk 0/leaves-001.png", "split"]
    found = json.loads((walked.folder / "data/evaluations/adaptive/summary.json").read_text())["scores"]
    assert {"pca_261", "dct_261", "dct_radial_261"} < set(found)
    assert max(found, key=lambda name: found[name]["psnr"]) == "adaptive"


def test_a_further_test_set_is_scored_and_reported_and_its_changes_train_nothing(walked: Workspace) -> None:
    found = json.loads((walked.folder / "data/evaluations/test_sets/garden/summary.json").read_text())
    scores = {name: score for evaluation in found.values() for name, score in evaluation["scores"].items()}
    assert scores["luma"]["psnr"] > scores["mean_rgb"]["psnr"]
    assert scores["adaptive"]["patches"] == scores["luma"]["patches"] > 0
    for page in ("metrics/results.md", "data/report/index.html"):
        assert "garden" in (walked.folder / page).read_text()

    samples.write_leaves(walked.folder / "garden", range(28, 29))
    assert set(walked.stages_run()) == {"fetch_set@garden", "evaluate_set@garden", "report"}
    walked.edit_params(test_sets={})
    assert walked.stages_run() == ["report"]
    assert "garden" not in (walked.folder / "metrics/results.md").read_text()
