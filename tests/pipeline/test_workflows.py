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

from tests.conftest import REPOSITORY, Workspace

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
SECRET = re.compile(r"secrets\.(?!\w+ != '')")  # its value, not whether there is one
BROKEN = """
on: pull_request
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: make ${{ github.event.pull_request.title }}
      - runs: make test
"""


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = YAML(typ="safe").load(workflow)["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def actionlint(workflow: Path) -> subprocess.CompletedProcess[str]:
    """Run the program, or its WebAssembly under node where `.ci/run` has put it."""
    package = Path(sys.prefix) / "actionlint/package"
    program = shutil.which("actionlint")
    if program is None and not (package.is_dir() and shutil.which("node")):
        missing = "actionlint is missing: .ci/run brings it, for node"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    script = str(Path(__file__).with_name("actionlint.cjs"))
    command = [program] if program else ["node", script, str(package)]
    return subprocess.run([*command, str(workflow)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_fault(workflow: Path) -> None:
    found = actionlint(workflow)
    assert (found.stdout, found.returncode) == ("", 0), found.stderr


def test_a_fault_would_be_found(tmp_path: Path) -> None:
    workflow = tmp_path / "broken.yml"
    workflow.write_text(BROKEN)
    found = actionlint(workflow)
    assert found.returncode == 1
    assert "potentially untrusted" in found.stdout
    assert 'unexpected key "runs"' in found.stdout


def test_every_run_block_is_one_make_target() -> None:
    help_of_targets = re.findall(r"^([a-z-]+):.*?## ", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    runs = [step["run"] for workflow in WORKFLOWS for step in steps(workflow) if "run" in step]
    assert {"make ci", "make review", "make comment", "make pull", "make share", "make verify"} <= set(runs)
    for run in runs:
        make, target = run.split()
        assert make == "make"
        assert target in help_of_targets


def test_workflows_may_do_only_what_they_need() -> None:
    for workflow in WORKFLOWS:
        content = YAML(typ="safe").load(workflow)
        assert content["permissions"] == {"contents": "read"}
        assert "pull_request_target" not in content["on"]  # would hand secrets to code from forks
        rights = [job["permissions"] for job in content["jobs"].values() if "permissions" in job]
        commenting = {"contents": "read", "pull-requests": "write"}
        assert rights == ([commenting] if workflow.stem == "review" else [])


def test_secrets_are_given_to_the_steps_that_use_the_remote_alone() -> None:
    for workflow in WORKFLOWS:
        given = [step.get("run") for step in steps(workflow) if SECRET.search(str(step.get("env")))]
        assert set(given) <= {"make review", "make pull", "make share"}
        assert len(SECRET.findall(workflow.read_text())) == 2 * len(given)  # two for each, and none outside of steps


def test_the_review_has_the_history_that_it_compares_with() -> None:
    review = steps(REPOSITORY / ".github/workflows/review.yml")
    assert review[0]["with"]["fetch-depth"] == 0
    uploaded = next(step for step in review if "upload-artifact" in step.get("uses", ""))
    assert "data/report" in uploaded["with"]["path"].split()
    assert uploaded["if"] == "${{ !cancelled() }}"  # above all when the check has failed


def test_the_comparison_is_put_on_the_pull_request_by_gh(tmp_path: Path) -> None:
    gh = tmp_path / "gh"
    gh.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/arguments"\n')
    gh.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    here = Workspace(REPOSITORY)
    here.run("make", "comment", "PR=7", PATH=path)
    expected = ["pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "comparison.md"]
    assert (tmp_path / "arguments").read_text().split() == expected
    here.run("make", "comment", "MARKDOWN=other.md", PATH=path)
    assert (tmp_path / "arguments").read_text().split() == ["pr", "comment", *expected[3:-1], "other.md"]
