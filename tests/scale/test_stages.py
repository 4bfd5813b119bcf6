"""Real stages on a cluster of two nodes: what dvc.lock says of them does not change."""

import json
from pathlib import Path

import pandas as pd

from tests.conftest import Workspace
from tests.scale.cluster import Cluster


def test_stages_and_a_study_leave_the_same_on_a_cluster(
    first_rebuild: Workspace, tmp_path: Path, cluster: Cluster
) -> None:
    """The study's one run takes the pipeline's model."""
    workspace = first_rebuild.copy(tmp_path / "workspace")

    def run_there(*command: str) -> str:
        process = cluster.start(*command, cwd=workspace.folder)
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, output[-2000:] + errors[-3000:]
        return output

    stages = ("fetch", "targets", "train@subpixel", "evaluate@subpixel")
    assert run_there("dvc", "repro", "--force", "--single-item", *stages).count("Running stage") == len(stages)
    assert workspace.run("git", "status", "--short").stdout == ""
    run_there("python", "-m", "stages.study", "--jobs", "1")
    (run,) = pd.read_csv(workspace.folder / "metrics/studies.csv").to_dict("records")
    scores = json.loads((workspace.folder / "metrics/scores/simple.json").read_text())
    assert (run["variant"], run["psnr"], run["ssim"]) == ("simple", round(scores["psnr"], 3), scores["ssim"])
