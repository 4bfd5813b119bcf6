"""The studies, really run: beside the main pipeline, each run by itself, and never part of a plain `dvc repro`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace

RUNS: dict[str, dict[str, Any]] = {
    "seeds_subpixel_1": {"study": "seeds", "variant": "subpixel", "seed": 1},  # as it is in params.yaml
    "control_subpixel": {"study": "control", "variant": "subpixel", "input": "gray", "photographs": 1},
}


def write_runs(workspace: Workspace, runs: dict[str, dict[str, Any]]) -> None:
    YAML().dump({"runs": runs}, workspace.folder / "studies/params.yaml")


def trained(output: str) -> list[str]:
    lines = [line for line in output.splitlines() if line.startswith("Running stage")]
    return [line.split("'")[1].removeprefix("studies/dvc.yaml:") for line in lines]


@pytest.fixture(scope="module")
def studied(first_small_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed workspace after `make study` of two runs, side by side; tests must leave it as they found it."""
    workspace = first_small_rebuild.copy(tmp_path_factory.mktemp("studied") / "workspace")
    write_runs(workspace, RUNS)
    workspace.run("python", "-m", "tools.orphans", "--remove")
    result = workspace.run("make", "study", "RUNTIME=", "JOBS=2")
    assert sorted(trained(result.stdout)) == sorted(f"run@{name}" for name in RUNS)
    workspace.commit("Two runs")
    return workspace


def test_runs_leave_a_table_and_touch_nothing_of_the_main_pipeline(studied: Workspace) -> None:
    table = pd.read_csv(studied.folder / "metrics/studies.csv")
    assert table["run"].tolist() == list(RUNS)
    assert table["input"].tolist() == ["colour", "gray"]
    assert table.notna().all()[["latent", "psnr", "ssim", "train_psnr", "val_psnr", "pca_psnr"]].all()
    changed = studied.run("git", "diff", "--name-only", "HEAD~1").stdout.splitlines()
    assert {Path(name).parts[0] for name in changed} <= {"studies", "metrics"}
    assert {name for name in changed if name.startswith("metrics")} == {"metrics/studies.csv"}


def test_a_run_that_changes_nothing_scores_as_the_main_pipeline_does(studied: Workspace) -> None:
    facts = json.loads((studied.folder / "studies/results/seeds_subpixel_1/facts.json").read_text())
    main = json.loads((studied.folder / "data/evaluations/subpixel/summary.json").read_text())
    assert facts["scores"]["test"] == {key: main["scores"]["subpixel"][key] for key in ("psnr", "ssim")}
    pca = main["scores"][f"pca_{facts['pca']['components']}"]
    assert facts["pca"]["test"] == {key: pca[key] for key in ("psnr", "ssim")}
    trained_once = studied.folder / "data/models/subpixel"
    curve = studied.folder / "studies/results/seeds_subpixel_1/curve.csv"
    assert curve.read_text() == (trained_once / "curve.csv").read_text()


def test_a_second_time_runs_nothing_and_the_tree_stays_clean(studied: Workspace) -> None:
    assert trained(studied.run("make", "study", "RUNTIME=").stdout) == []
    assert studied.run("git", "status", "--porcelain").stdout == ""


def test_a_clone_has_every_result(studied: Workspace, tmp_path: Path) -> None:
    studied.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    output = Workspace(tmp_path / "clone").run("dvc", "repro", "--dry", "--allow-missing", "studies/dvc.yaml")
    assert trained(output.stdout) == []


@pytest.mark.verify
def test_a_change_runs_what_it_touches_and_stale_results_are_not_collected(studied: Workspace, tmp_path: Path) -> None:
    workspace = studied.copy(tmp_path / "workspace")
    seeds = {**RUNS["seeds_subpixel_1"], "seed": 2}
    write_runs(workspace, {"seeds_subpixel_1": seeds, "control_subpixel": RUNS["control_subpixel"]})
    assert workspace.stages_run() == ["report"]  # draws the two runs
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    workspace.run("dvc", "checkout")
    refused = workspace.run("python", "-m", "tools.studies", ok=False)
    assert refused.returncode == 1
    assert refused.stderr == "studies: not current: run@seeds_subpixel_1; run `make study`\n"
    assert trained(workspace.run("make", "study", "RUNTIME=").stdout) == ["run@seeds_subpixel_1"]
    assert pd.read_csv(workspace.folder / "metrics/studies.csv")["seed"].tolist() == [2, 1]

    write_runs(workspace, {"seeds_subpixel_1": seeds})
    assert workspace.run("make", "--no-print-directory", "prune", "RUNTIME=").stdout.splitlines() == [
        "studies/dvc.lock: run@control_subpixel: no such stage",
        "studies/results/control_subpixel: no stage makes it",
        "orphans: removed",
    ]
    workspace.run("python", "-m", "tools.studies")
    assert pd.read_csv(workspace.folder / "metrics/studies.csv")["run"].tolist() == ["seeds_subpixel_1"]
