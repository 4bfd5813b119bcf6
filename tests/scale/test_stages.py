"""Real stages and a real training on a cluster of two nodes: what dvc.lock says of them does not change."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import Workspace
from tests.scale.cluster import Cluster, wait_until

EPOCHS = 80  # of a training that is killed after its first: enough that it is not over when it is


@pytest.fixture(scope="module")
def workspace(first_small_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return first_small_rebuild.copy(tmp_path_factory.mktemp("stages") / "workspace")


@pytest.fixture(scope="module")
def of_two(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same, after training with two replicas in one process; committed."""
    copy = workspace.copy(tmp_path_factory.mktemp("replicas") / "workspace")
    copy.edit_params(train__replicas=2, train__recipe__epochs=EPOCHS)
    copy.run("dvc", "repro", "--single-item", "train@subpixel")
    copy.commit("Two replicas")
    return copy


def again(workspace: Workspace, cluster: Cluster, *stages: str) -> None:
    """Run stages on the cluster although they are current; every file that git knows must stay as it is."""
    process = cluster.start("dvc", "repro", "--force", "--single-item", *stages, cwd=workspace.folder)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, output[-2000:] + errors[-3000:]
    assert output.count("Running stage") == len(stages)
    assert workspace.run("git", "status", "--short").stdout == ""


def test_map_stages_leave_the_same_on_a_cluster(workspace: Workspace, cluster: Cluster) -> None:
    again(workspace, cluster, "fetch", "targets", "baselines")


def test_a_variant_that_is_trained_and_scored_on_a_node_is_the_same(workspace: Workspace, cluster: Cluster) -> None:
    again(workspace, cluster, "train@subpixel", "evaluate@subpixel")


@pytest.mark.long
def test_a_study_leaves_the_same_on_a_cluster(workspace: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    here, there = workspace.copy(tmp_path / "here"), workspace.copy(tmp_path / "there")
    here.run("make", "study", "RUNTIME=")
    process = cluster.start("make", "study", "RUNTIME=", cwd=there.folder)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, output[-2000:] + errors[-3000:]
    table = "metrics/studies.csv"
    assert (there.folder / table).read_bytes() == (here.folder / table).read_bytes()


@pytest.mark.long  # it takes a minute to bring the group up
def test_two_replicas_on_two_nodes_give_the_bytes_of_one_process(of_two: Workspace, cluster: Cluster) -> None:
    again(of_two, cluster, "train@subpixel")


@pytest.mark.long
@pytest.mark.parametrize("kill", ["worker", "node"])
def test_a_training_that_loses_a_machine_ends_with_the_same_bytes(
    of_two: Workspace, cluster: Cluster, kill: str
) -> None:
    process = cluster.start("dvc", "repro", "--force", "--single-item", "train@subpixel", cwd=of_two.folder)
    assert wait_until(lambda: process.poll() is not None or at_work(of_two, cluster), 300)
    assert process.poll() is None, process.communicate()
    if kill == "worker":
        trainers(cluster)[0].kill()
    else:
        cluster.kill_node()
        cluster.add_node()
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, output[-2000:] + errors[-3000:]
    assert of_two.run("git", "status", "--short").stdout == ""


def at_work(workspace: Workspace, cluster: Cluster) -> bool:
    """Have both replicas trained an epoch?"""
    return any(workspace.folder.glob(".dvc/tmp/kept/train@subpixel/*/checkpoint")) and len(trainers(cluster)) == 2


def trainers(cluster: Cluster) -> list[psutil.Process]:
    """The processes that train, which Ray names by what they are at."""
    found = []
    for number in cluster.processes():
        with suppress(psutil.Error):  # it has just ended
            process = psutil.Process(number)
            if "TrainWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found
