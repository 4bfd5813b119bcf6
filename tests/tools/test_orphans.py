"""What no stage owns is found and removed, and nothing else."""

from __future__ import annotations

import fcntl
import re

import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace


@pytest.fixture
def workspace(first_small_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return first_small_rebuild.copy(tmp_path_factory.mktemp("orphans") / "workspace")


def test_a_removed_variant_is_found_everywhere_and_pruned(workspace: Workspace) -> None:
    workspace.keep_variants("subpixel")
    (workspace.folder / "data/models/.simple.partial").mkdir()
    (workspace.folder / "data/models/.simple.partial/.model.keras.partial").touch()  # goes with its folder
    (workspace.folder / "data/my_notes.txt").write_text("not a stage's")
    for stage in ("train@simple", "train@subpixel", "targets"):
        (workspace.folder / ".dvc/tmp/kept" / stage / "0123456789abcdef").mkdir(parents=True)

    found = workspace.run("python", "-m", "tools.orphans", ok=False)
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "dvc.lock: train@simple: no such stage",
        "dvc.lock: evaluate@simple: no such stage",
        ".dvc/tmp/kept/train@simple: no stage makes it",
        "data/evaluations/simple: no stage makes it",
        "data/models/.simple.partial: no stage makes it",
        "data/models/simple: no stage makes it",
    ]
    left = "data/evaluations/simple, data/models/simple"
    refused = workspace.run("dvc", "repro", "report", ok=False).stderr
    assert f"{left}: no variant or test set of that name; `make prune` removes it" in refused

    workspace.run("make", "prune", "RUNTIME=")
    lock = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"]
    assert [name for name in lock if "@" in name] == ["train@subpixel", "evaluate@subpixel"]
    assert sorted(path.name for path in (workspace.folder / "data/models").iterdir()) == ["subpixel"]
    assert sorted(path.name for path in (workspace.folder / ".dvc/tmp/kept").iterdir()) == ["targets", "train@subpixel"]
    assert (workspace.folder / "data/my_notes.txt").exists()
    assert workspace.run("python", "-m", "tools.orphans").stdout == "orphans: none\n"
    assert workspace.stages_run() == ["report"]


def test_pruning_leaves_every_other_line_of_the_lock(workspace: Workspace) -> None:
    lock = workspace.folder / "dvc.lock"
    before = lock.read_text()
    workspace.keep_variants("subpixel")
    workspace.run("python", "-m", "tools.orphans", "--remove")
    gone = r"^  (train|evaluate)@simple:\n(?:    .*\n)+"
    assert len(re.findall(gone, before, flags=re.MULTILINE)) == 2
    assert lock.read_text() == re.sub(gone, "", before, flags=re.MULTILINE)


def test_nothing_is_judged_while_a_stage_is_at_work(workspace: Workspace) -> None:
    with (workspace.folder / ".dvc/tmp/stages/train@simple.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for tool in ("tools.orphans", "tools.audit"):
            result = workspace.run("python", "-m", tool, ok=False)
            assert result.returncode == 1
            assert "stage train@simple is at work" in result.stderr
