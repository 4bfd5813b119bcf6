"""A git and DVC repository whose stages are shell commands, for the tests of tools."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Workspace, made_once

PIPELINE = """\
stages:
  train:
    foreach: ${variants}
    do:
      cmd: mkdir -p data/models/${key}; seq ${item} > data/models/${key}/weights; echo ${key} > data/models/${key}/name
      params:
      - variants.${key}
      outs:
      - data/models/${key}
  report:
    cmd: cat data/models/*/weights | wc -l > data/page; mkdir -p metrics; sed s/^/lines,/ data/page > metrics/lines.csv
    deps:
    - data/models
    outs:
    - data/page
    metrics:
    - metrics/lines.csv:
        cache: false
"""


def new_repository(folder: Path) -> Workspace:
    """An empty repository of git and DVC."""
    folder.mkdir(exist_ok=True)
    workspace = Workspace(folder)
    for line in ("git init -q -b main", "git config user.name T", "git config user.email t@example.org", "dvc init -q"):
        workspace.run(*line.split())
    return workspace


@pytest.fixture(scope="session")
def made(of_this_run: Path) -> Workspace:
    """The repository after `dvc repro`, committed; made once for all test processes, read-only."""

    def make(folder: Path) -> Workspace:
        workspace = new_repository(folder)
        (folder / "dvc.yaml").write_text(PIPELINE)
        (folder / "params.yaml").write_text("variants:\n  simple: 10\n  vae: 20\n")
        for name in ("tools", "stages", "grayscale"):
            (folder / name).symlink_to(REPOSITORY / name)
        workspace.run("dvc", "repro", "--quiet")
        workspace.commit("Made")
        return workspace

    return made_once(of_this_run, "tiny", make)


@pytest.fixture
def tiny(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return made.copy(tmp_path / "workspace")


def tool(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of tools in a workspace."""
    return workspace.run("python", "-m", *arguments, ok=False)


def done(workspace: Workspace, *arguments: str) -> str:
    """The output of a tool that must succeed."""
    result = tool(workspace, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(workspace: Workspace, *arguments: str) -> str:
    """The message of a tool that must fail."""
    result = tool(workspace, *arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stderr
