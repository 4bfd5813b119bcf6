"""Two at once: variants side by side, and two rebuilds in one workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Workspace

# What DVC says when another holds an output, or, for a moment, its books as a whole.
TOLD = ("is busy, it is being blocked by", "another DVC process is running")


def empty(workspace: Workspace) -> None:
    """Leave dvc.lock and nothing that it names."""
    shutil.rmtree(workspace.folder / ".dvc/cache")
    for folder in (workspace.folder / "data").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)


@pytest.mark.verify
def test_variants_side_by_side_give_the_bytes_of_one_after_the_other(two_variants: Workspace, tmp_path: Path) -> None:
    workspace = two_variants.copy(tmp_path / "workspace")
    empty(workspace)
    output = workspace.run("make", "repro", "JOBS=2", "RUNTIME=").stdout
    assert output.count("Running stage 'train@") == 2
    assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_two_rebuilds_in_one_workspace_do_no_harm(one_variant: Workspace, tmp_path: Path) -> None:
    workspace = one_variant.copy(tmp_path / "workspace")
    empty(workspace)
    both = [workspace.start("make", "repro", "RUNTIME=") for _ in range(2)]
    ends = {process: process.communicate()[1] for process in both}
    finished = [process for process in both if process.returncode == 0]
    assert finished, ends
    for process in set(both) - set(finished):  # came second
        assert any(words in ends[process] for words in TOLD), ends[process]
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    assert workspace.run("git", "status", "--porcelain").stdout == ""
    assert list(Path(workspace.folder / "data").rglob(".*.partial")) == []
