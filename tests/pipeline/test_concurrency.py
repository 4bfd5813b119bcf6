"""Two at once: variants side by side, and two rebuilds in one workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace

# What DVC says when another holds an output, or, for a moment, its books as a whole.
TOLD = ("is busy, it is being blocked by", "another DVC process is running")


def forget(workspace: Workspace, *stages: str) -> None:
    """Leave the entries of these stages in dvc.lock, and not what they made."""
    lock = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"]
    for out in (out for stage in stages for out in lock[stage]["outs"]):
        if out["path"].startswith("data/"):
            shutil.rmtree(workspace.folder / out["path"])
            (workspace.folder / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]).unlink()


def empty(workspace: Workspace) -> None:
    """Leave dvc.lock and nothing that it names."""
    shutil.rmtree(workspace.folder / ".dvc/cache")
    for folder in (workspace.folder / "data").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)


@pytest.mark.verify
def test_variants_side_by_side_give_the_bytes_of_one_after_the_other(
    first_small_rebuild: Workspace, tmp_path: Path
) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    empty(workspace)
    output = workspace.run("make", "repro", "JOBS=2", "RUNTIME=").stdout
    assert output.count("Running stage 'train@") == 2
    assert workspace.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.verify
def test_two_rebuilds_in_one_workspace_do_no_harm(first_small_rebuild: Workspace, tmp_path: Path) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    forget(workspace, "train@subpixel", "evaluate@subpixel", "report")
    both = [workspace.start("make", "repro", "RUNTIME=") for _ in range(2)]
    ends = {process: process.communicate() for process in both}
    assert any("Running stage 'train@subpixel'" in output for output, _ in ends.values())
    finished = [process for process in both if process.returncode == 0]
    assert finished, ends
    for process in set(both) - set(finished):  # came second
        assert any(words in ends[process][1] for words in TOLD), ends[process]
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    assert workspace.run("git", "status", "--porcelain").stdout == ""
    assert list(Path(workspace.folder / "data").rglob(".*.partial")) == []
