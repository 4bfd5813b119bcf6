"""Maps over a cluster of two nodes give the bytes of one process, whatever is killed; strangers are refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages.common.engine import Engine
from tests import tasks
from tests.conftest import repository_copy
from tests.scale import driver
from tests.scale.cluster import RAY, SMALL, Cluster
from tests.tasks import wait_until

HERE = Engine(engine="local", workers=1, address="auto")
STRANGER: dict[str, Any] = {"RAY_AUTH_TOKEN": "0" * 64}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in another place than the one that these tests, and perhaps the installed package, come from."""
    return repository_copy(tmp_path_factory.mktemp("cluster") / "home").folder


@pytest.fixture(scope="module")
def found(cluster: Cluster, home: Path) -> Any:
    """What the driver found, while a node was killed under it and another joined."""
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


def test_tasks_are_spread_over_both_nodes_of_this_code_and_results_keep_their_order(found: Any, home: Path) -> None:
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
    assert len((home / "work/node/tries").read_text().split()) > driver.SHARDS  # what it was at was done again


def test_a_fault_arrives_as_itself(found: Any) -> None:
    assert found["fault"] == ["ArtifactError", "photo-3.png: damaged"]


def test_a_task_whose_workers_are_all_killed_is_an_error_after_three_tries(found: Any, home: Path) -> None:
    kind, message = found["killed always"]
    assert kind == "StageError"
    assert "lost a task 3 times" in message
    assert (home / "work/tries").read_text() == "..."


def test_a_task_that_wants_more_processors_than_a_node_has_is_done(found: Any) -> None:
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


def test_where_no_cluster_listens_the_message_comes_at_once(cluster: Cluster) -> None:
    host = cluster.address.split(":")[0]
    code = f"from stages.common import engine; engine.connected('{host}:9')"
    _, errors = cluster.start("python", "-c", code).communicate(timeout=20)
    assert f"StageError: no Ray cluster at {host}:9: " in errors
    assert "docs/scale.md" in errors
