"""The engine is no input: workers leave the same bytes, and a stage whose cluster is missing says so."""

import re

import pytest

from tests.conftest import REPOSITORY, Workspace

PAGE = (REPOSITORY / "docs/scale.md").read_text()
FENCES = re.findall(r"^```([^\n]+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_a_second_worker_changes_no_byte_and_leaves_nothing_behind(workspace: Workspace) -> None:
    stages = ("fetch", "targets", "baselines")
    assert workspace.stages_run("--force", "--single-item", *stages, WORKERS="2") == list(stages)
    assert workspace.run("git", "status", "--short").stdout == ""
    kept = workspace.folder / ".dvc/tmp/kept"
    assert not kept.exists() or list(kept.iterdir()) == []


def test_a_stage_without_its_cluster_fails_and_says_so(workspace: Workspace) -> None:
    command = ("dvc", "repro", "--force", "--single-item", "targets")
    failed = workspace.run(*command, ok=False, ENGINE="ray", RAY_ADDRESS="127.0.0.1:9", RAY_AUTH_MODE="token")
    assert failed.returncode != 0
    assert "targets: no Ray cluster at 127.0.0.1:9: " in failed.stderr


@pytest.mark.long
def test_every_command_of_the_page_is_run_here_or_marked_as_one_for_a_cluster(workspace: Workspace) -> None:
    assert {kind for kind, _ in FENCES} <= {"sh", "sh cluster", "yaml"}
    for line in "".join(text for kind, text in FENCES if kind == "sh").splitlines():
        workspace.run("sh", "-c", line.replace("make ", "make RUNTIME= "))
    assert workspace.run("git", "status", "--short").stdout == ""
