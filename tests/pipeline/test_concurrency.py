"""Two at once: variants side by side, and two rebuilds in one workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Workspace


@pytest.fixture
def emptied(two_variants: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with dvc.lock and nothing that it names."""
    workspace = two_variants.copy(tmp_path / "workspace")
    shutil.rmtree(workspace.folder / ".dvc/cache")
    for folder in (workspace.folder / "data").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    return workspace


def test_variants_side_by_side_give_the_bytes_of_one_after_the_other(emptied: Workspace) -> None:
    output = emptied.run("make", "repro", "JOBS=2", "RUNTIME=").stdout
    assert output.count("Running stage 'train@") == 2
    assert emptied.run("git", "status", "--porcelain").stdout == ""


def test_two_rebuilds_in_one_workspace_do_no_harm(emptied: Workspace) -> None:
    both = [emptied.start("make", "repro", "RUNTIME=") for _ in range(2)]
    ends = {process: process.communicate()[1] for process in both}
    finished = [process for process in both if process.returncode == 0]
    assert finished, ends
    for process in set(both) - set(finished):  # came second
        assert "is busy, it is being blocked by" in ends[process]
    emptied.run("dvc", "status", "--quiet", "dvc.yaml")
    assert emptied.run("git", "status", "--porcelain").stdout == ""
    assert list(Path(emptied.folder / "data").rglob(".*.partial")) == []
