"""Real stages on a cluster of two nodes: what dvc.lock says of them does not change."""

from pathlib import Path

from tests.conftest import Workspace
from tests.scale.cluster import Cluster


def test_stages_leave_the_same_on_a_cluster(first_rebuild: Workspace, tmp_path: Path, cluster: Cluster) -> None:
    stages = ("fetch", "targets", "train@subpixel", "evaluate@subpixel")
    workspace = first_rebuild.copy(tmp_path / "workspace")
    process = cluster.start("dvc", "repro", "--force", "--single-item", *stages, cwd=workspace.folder)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, output[-2000:] + errors[-3000:]
    assert output.count("Running stage") == len(stages)
    assert workspace.run("git", "status", "--short").stdout == ""


def test_a_study_leaves_the_same_on_a_cluster(first_rebuild: Workspace, tmp_path: Path, cluster: Cluster) -> None:
    here, there = (first_rebuild.copy(tmp_path / name) for name in ("here", "there"))
    here.run("make", "study", "RUNTIME=")
    process = cluster.start("make", "study", "RUNTIME=", cwd=there.folder)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, output[-2000:] + errors[-3000:]
    table = "metrics/studies.csv"
    assert (there.folder / table).read_bytes() == (here.folder / table).read_bytes()
