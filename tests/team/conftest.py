"""Fixtures that the tests of work in a team share: a pipeline whose stages cost nothing."""

import re
from pathlib import Path

import pytest

from tests.conftest import Workspace, made_once, small_workspace


@pytest.fixture(scope="session")
def first_stand_in_rebuild(of_this_run: Path) -> Workspace:
    """A committed `small_workspace` with the real map, params and tools, rebuilt by stand-ins for the stages.

    Made once for all test processes. Nobody may touch it. What is run, and what is taken over, is up to git, DVC and
    the lock file, whatever the stages write (stand_in.py).
    """

    def make(folder: Path) -> Workspace:
        workspace = small_workspace(folder)
        pipeline = folder / "dvc.yaml"
        pipeline.write_text(re.sub(r"cmd: python -m .*", "cmd: python -m tests.team.stand_in", pipeline.read_text()))
        workspace.run("dvc", "repro")
        workspace.commit("Rebuild by stand-ins")
        return workspace

    return made_once(of_this_run, "first_stand_in_rebuild", make)
