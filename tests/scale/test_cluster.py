"""A cluster of two nodes gives the bytes of one process, whatever is killed, and refuses strangers."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common.engine import Engine
from tests import tasks
from tests.conftest import Workspace, repository_copy
from tests.scale import driver
from tests.scale.cluster import RAY, SMALL, Cluster, two_nodes
from tests.tasks import wait_until

HERE = Engine(engine="local", workers=1, address="auto")
STRANGER: dict[str, Any] = {"RAY_AUTH_TOKEN": "0" * 64}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if subprocess.call(["sh", "-c", "ip netns add ray$$ && ip netns delete ray$$"]):
        pytest.skip("only root may make network namespaces")
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, in another place than the installed package."""
    return repository_copy(tmp_path_factory.mktemp("cluster") / "home").folder


@pytest.fixture(scope="module")
def found(cluster: Cluster, home: Path) -> Any:
    """The results of the driver, while a node was killed and another joined."""
    folder = home / "work"
    folder.mkdir()
    process = cluster.start("python", "-m", "tests.scale.driver", str(folder), cwd=home)
    if wait_until(lambda: process.poll() is not None or (folder / "node/stuck").exists()) and process.poll() is None:
        cluster.kill_node()
        wait_until(lambda: process.poll() is not None or (folder / "alone").exists(), 120)
        cluster.add_node()
        (folder / "joined").touch()
        if wait_until(lambda: process.poll() is not None or (folder / "last").exists(), 120):
            cluster.kill_node()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    cluster.add_node()
    return json.loads((folder / "found.json").read_text())


def test_tasks_run_this_code_on_both_nodes_and_results_keep_their_order(found: Any, home: Path) -> None:
    for when in ("split", "joined"):
        squares, nodes, code = zip(*found[when], strict=True)
        assert squares == tuple(number**2 for number in range(driver.SHARDS))
        assert len(set(nodes)) == 2
        assert set(code) == {str(home / "stages/__init__.py")}
    assert {node for _, node, _ in found["joined"]} != {node for _, node, _ in found["split"]}


def test_a_killed_worker_or_node_changes_no_byte(found: Any, home: Path, tmp_path: Path) -> None:
    assert found["killed worker"] == found["killed node"] == driver.sha256s(tasks.noise, tmp_path, HERE)
    tries = [int(line) for line in (home / "work/worker/tries").read_text().split()]
    assert sorted(tries) == sorted([*range(driver.SHARDS), 3])
    assert len((home / "work/node/tries").read_text().split()) > driver.SHARDS  # unfinished ones were repeated


def test_a_fault_arrives_as_itself(found: Any) -> None:
    assert found["fault"] == ["ArtifactError", "photo-3.png: damaged"]


def test_a_task_whose_workers_are_all_killed_is_an_error_after_three_tries(found: Any, home: Path) -> None:
    kind, message = found["killed always"]
    assert kind == "StageError"
    assert "lost a task 3 times" in message
    assert (home / "work/tries").read_text() == "..."


def test_a_task_for_more_processors_than_a_node_has_is_run(found: Any) -> None:
    assert found["wide"] == 9


def test_a_task_for_which_no_node_is_left_is_an_error(found: Any) -> None:
    assert re.fullmatch(r"no node of the Ray cluster at \S+ has 3 CPUs for a task; add a node", found["deserted"])


def test_without_the_token_neither_a_process_nor_a_node_gets_in(cluster: Cluster) -> None:
    code = f"from stages.common import engine; engine.connected({cluster.address!r})"
    strangers = [cluster.start("python", "-c", code, **STRANGER)]
    strangers.append(cluster.start(RAY, "start", f"--address={cluster.address}", *SMALL, **STRANGER))
    for stranger in strangers:
        _, errors = stranger.communicate(timeout=120)
        assert stranger.returncode != 0
        assert "Authentication token is missing or incorrect" in errors


def test_stages_and_a_study_give_the_same_bytes_on_a_cluster(
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
