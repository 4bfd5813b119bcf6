"""`make study` on the rebuilt pipeline: runs are separate, and never part of `dvc repro`."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace

pytestmark = pytest.mark.long
RUNS: dict[str, dict[str, Any]] = {
    "seeds_subpixel_1": {"study": "seeds", "variant": "subpixel", "seed": 1},  # as it is in params.yaml
    "control_subpixel": {"study": "control", "variant": "subpixel", "input": "gray", "photographs": 1},
}
TABLE = "metrics/studies.csv"


def write_runs(workspace: Workspace, runs: dict[str, dict[str, Any]]) -> None:
    YAML().dump({"runs": runs}, workspace.folder / "studies.yaml")


def trained(workspace: Workspace, *command: str) -> list[str]:
    """The runs that a command trains."""
    return sorted(re.findall(r"^run@(\w+): test PSNR", workspace.run(*command).stdout, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def studied(first_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed workspace after `make study` of two runs, side by side; read-only."""
    workspace = first_rebuild.copy(tmp_path_factory.mktemp("studied") / "workspace")
    assert "seeds_simple_1" not in (workspace.folder / "data/report/index.html").read_text(), "of other photographs"
    write_runs(workspace, RUNS)
    assert trained(workspace, "make", "study", "RUNTIME=", "JOBS=2") == sorted(RUNS)
    workspace.commit("Two runs")
    return workspace


def test_runs_write_a_table_and_no_output_of_the_pipeline(studied: Workspace) -> None:
    table = pd.read_csv(studied.folder / TABLE)
    assert table["run"].tolist() == list(RUNS)
    assert table["input"].tolist() == ["colour", "gray"]
    assert table["photographs"].tolist() == [3, 1]
    assert table.notna().all()[["latent", "psnr", "ssim", "train_psnr", "val_psnr", "mean_rgb_psnr"]].all()
    assert studied.run("git", "diff", "--name-only", "HEAD~1").stdout.split() == [TABLE, "studies.yaml"]


def test_a_run_that_changes_nothing_scores_as_the_pipeline_does(studied: Workspace) -> None:
    run = pd.read_csv(studied.folder / TABLE).set_index("run").loc["seeds_subpixel_1"]
    for prefix, method in (("", "subpixel"), ("mean_rgb_", "mean_rgb")):
        score = json.loads((studied.folder / f"metrics/scores/{method}.json").read_text())
        assert run[f"{prefix}psnr"] == round(score["psnr"], 3)
        assert run[f"{prefix}ssim"] == score["ssim"]
    curve = pd.read_csv(studied.folder / "data/models/subpixel/curve.csv")
    assert run["end_val_psnr"] == round(curve["val_psnr"].iloc[-1], 3)


def test_only_a_changed_run_is_trained_again_and_the_report_follows(studied: Workspace, tmp_path: Path) -> None:
    command = ("python", "-m", "stages.study")
    assert trained(studied, *command) == []
    assert studied.run("git", "status", "--porcelain").stdout == ""
    workspace = studied.copy(tmp_path / "workspace")
    seeds = {"study": "seeds", "variant": "simple", "seed": 1}
    write_runs(workspace, {"seeds_subpixel_1": seeds, "control_subpixel": RUNS["control_subpixel"]})
    assert workspace.stages_run() == ["report"]  # with both runs
    assert "seeds_subpixel_1" in (workspace.folder / "data/report/index.html").read_text()
    workspace.run("dvc", "status", "--quiet")
    assert trained(workspace, *command) == ["seeds_subpixel_1"]
    assert pd.read_csv(workspace.folder / TABLE)["variant"].tolist() == ["simple", "subpixel"]
