"""The whole pipeline on people's own photographs: a folder of 24, and a further test set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests import leaves
from tests.conftest import Workspace, new_workspace

FILES = {"inputs": "photographs", "domain": "leaves", "matte": [255, 255, 255], "strict": False}
FOLDER = {"source": "folder", **FILES, "split": {"by": "hash", "validation": 0.15, "test": 0.15}}
GARDEN = {"source": "folder", **FILES, "inputs": "garden"}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed workspace after `make repro` on 24 photographs, a copy, a broken file and a text."""
    workspace = new_workspace(tmp_path_factory.mktemp("walked") / "workspace")
    photographs = workspace.folder / "photographs"
    leaves.write(photographs, range(24))
    shutil.copy(photographs / "walk 0/leaves-001.png", photographs / "copy.png")
    (photographs / "broken.jpg").write_bytes((photographs / "walk 0/leaves-000.jpg").read_bytes()[:900])
    (photographs / "notes.txt").write_text("Sunny.")
    leaves.write(workspace.folder / "garden", range(24, 28))
    workspace.keep_variants("subpixel")
    workspace.edit_params(fetch=FOLDER, test_sets={"garden": GARDEN})
    workspace.run("make", "repro", "RUNTIME=")
    workspace.commit("Our own photographs")
    return workspace


def test_a_folder_of_photographs_is_split_by_content_and_reported(walked: Workspace) -> None:
    manifest = pd.read_csv(walked.folder / "data/photos/manifest.csv").set_index("name")
    assert len(manifest) == 25
    assert set(manifest["split"]) == {"train", "validation", "test"}
    assert manifest.loc["copy.png", "split"] == manifest.loc["walk 0/leaves-001.png", "split"]
    skipped = pd.read_csv(walked.folder / "data/photos/skipped.csv")
    assert skipped.to_dict("records") == [{"file": "broken.jpg", "reason": "truncated"}]


def test_a_network_is_trained_and_scored_on_them(walked: Workspace) -> None:
    summary = json.loads((walked.folder / "metrics/summary.json").read_text())
    assert summary["variants"]["subpixel"]["psnr"] > summary["baselines"]["mean_rgb"]["psnr"]
    assert summary["baselines"]["luma"]["psnr"] > 55
    evaluation = json.loads((walked.folder / "data/evaluations/subpixel/summary.json").read_text())
    assert list(evaluation["scores"]["subpixel"]["domains"]) == ["leaves"]


def test_a_further_test_set_has_rows_of_its_own(walked: Workspace) -> None:
    found = json.loads((walked.folder / "metrics/summary.json").read_text())["test_sets"]["garden"]
    assert found["variants"]["subpixel"]["psnr"] > found["baselines"]["mean_rgb"]["psnr"]
    photos = json.loads((walked.folder / "data/evaluations/test_sets/garden/summary.json").read_text())
    assert len(photos["subpixel"]["scores"]["subpixel"]["photos"]) == 4
    page = (walked.folder / "data/report/index.html").read_text()
    assert 'id="test-set-garden-subpixel"' in page


def test_a_number_of_a_test_set_leads_back_to_its_photographs(walked: Workspace) -> None:
    chain = walked.run("python", "-m", "tools.trace", "test_sets.garden.variants.subpixel.psnr").stdout
    assert "\nevaluate_set@garden: " in chain
    assert "\nfetch_set@garden: " in chain
    assert "\ntrain@subpixel: " in chain
    assert "photo   walk 2/leaves-024.bmp (test)" in chain


@pytest.mark.verify
def test_a_photograph_more_in_a_test_set_trains_nothing(walked: Workspace, tmp_path: Path) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    leaves.write(workspace.folder / "garden", range(28, 29))
    assert set(workspace.stages_run()) == {"fetch_set@garden", "evaluate_set@garden", "report"}


def test_a_test_set_with_a_photograph_that_was_trained_on_is_refused(walked: Workspace, tmp_path: Path) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    manifest = pd.read_csv(workspace.folder / "data/photos/manifest.csv")
    trained = manifest[manifest["split"] == "train"]["name"].iloc[0]
    shutil.copy(workspace.folder / "photographs" / trained, workspace.folder / "garden" / f"seen{Path(trained).suffix}")
    refused = workspace.run("dvc", "repro", "evaluate_set", ok=False)
    assert f"as {trained!r}, which is in train; take them out" in refused.stderr


def test_a_test_set_that_is_gone_is_pruned(walked: Workspace, tmp_path: Path) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    workspace.edit_params(test_sets={})
    refused = workspace.run("dvc", "repro", "report", ok=False)
    assert "report: data/evaluations/test_sets: no variant or test set of that name" in refused.stderr
    pruned = workspace.run("python", "-m", "tools.orphans", "--remove").stdout.splitlines()
    assert "data/test_sets/garden: no stage makes it" in pruned
    assert workspace.stages_run() == ["report"]


def test_a_strict_folder_with_a_broken_file_is_refused_and_nothing_is_written(
    walked: Workspace, tmp_path: Path
) -> None:
    workspace = walked.copy(tmp_path / "workspace")
    workspace.edit_params(fetch={**FOLDER, "strict": True})
    before = (workspace.folder / "data/photos/manifest.csv").read_bytes()
    refused = workspace.run("dvc", "repro", "--single-item", "fetch", ok=False)
    assert refused.returncode != 0
    assert "broken.jpg: truncated" in refused.stderr
    assert [path.name for path in (workspace.folder / "data").iterdir() if path.suffix == ".partial"] == []
    workspace.run("git", "checkout", "--", "params.yaml")
    workspace.run("dvc", "checkout", ok=False)
    assert (workspace.folder / "data/photos/manifest.csv").read_bytes() == before
