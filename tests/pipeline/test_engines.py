"""The engine is no input: workers leave the same bytes, switching makes nothing stale; docs/scale.md says how."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY, Workspace

FENCES = re.findall(
    r"^```([^\n]+)\n(.*?)^```$", (REPOSITORY / "docs/scale.md").read_text(), flags=re.MULTILINE | re.DOTALL
)

CURRENT = "Data and pipelines are up to date.\n"


@pytest.fixture(scope="module")
def workspace(first_small_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return first_small_rebuild.copy(tmp_path_factory.mktemp("engines") / "workspace")


def test_a_second_worker_changes_no_byte_and_leaves_nothing_behind(workspace: Workspace) -> None:
    stages = ("fetch", "targets", "baselines")
    assert workspace.stages_run("--force", "--single-item", *stages, WORKERS="2") == list(stages)
    assert workspace.run("git", "status", "--short").stdout == ""
    kept = workspace.folder / ".dvc/tmp/kept"
    assert not kept.exists() or list(kept.iterdir()) == []


def test_switching_the_engine_makes_nothing_stale(workspace: Workspace) -> None:
    engine = workspace.folder / "engine.yaml"
    before = engine.read_text()
    engine.write_text(before.replace("engine: local", "engine: ray").replace("workers: 1", "workers: 7"))
    found = workspace.run("dvc", "status", "dvc.yaml", ENGINE="ray", WORKERS="3").stdout
    engine.write_text(before)
    assert found == CURRENT


def test_a_stage_without_its_cluster_fails_and_says_so(workspace: Workspace) -> None:
    command = ("dvc", "repro", "--force", "--single-item", "targets")
    failed = workspace.run(*command, ok=False, ENGINE="ray", RAY_ADDRESS="127.0.0.1:9")
    assert failed.returncode != 0
    assert "targets: no Ray cluster at 127.0.0.1:9: " in failed.stderr
    workspace.run("dvc", "checkout")  # DVC removes what a stage is to write before it runs it
    assert workspace.run("git", "status", "--short").stdout == ""


def test_every_command_on_the_page_is_run_here_or_marked_as_one_for_a_cluster(workspace: Workspace) -> None:
    assert {kind for kind, _ in FENCES} == {"sh", "sh cluster"}
    for line in "".join(text for kind, text in FENCES if kind == "sh").splitlines():
        workspace.run("sh", "-c", line.replace("make ", "make RUNTIME= "))
    assert workspace.run("git", "status", "--short").stdout == ""
