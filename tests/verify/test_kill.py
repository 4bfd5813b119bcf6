"""Kill -9 at random moments: what was finished stays, what was not is built again, and nobody goes on writing."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import Workspace, new_workspace

pytestmark = pytest.mark.verify
KILLS = 60
VICTIMS = ("dvc", "stage", "group")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All stages of two variants, never run."""
    workspace = new_workspace(tmp_path_factory.mktemp("killed"))
    workspace.keep_variants("simple", "subpixel")
    workspace.commit("Two variants")
    return workspace


def test_rebuilds_that_are_killed_again_and_again_end_with_the_same_bytes(small: Workspace, tmp_path: Path) -> None:
    undisturbed = small.copy(tmp_path / "undisturbed")
    undisturbed.run("dvc", "repro")
    chance = random.Random(20)
    victims = dict.fromkeys(VICTIMS, 0)
    round_number = 0
    while sum(victims.values()) < KILLS:
        round_number += 1
        workspace = small.copy(tmp_path / f"round{round_number}")
        while True:
            workspace.run("python", "-m", "tools.recover")  # as `make repro` does
            repro = workspace.start("dvc", "repro")
            time.sleep(chance.uniform(0.2, 20))
            if repro.poll() is not None:
                assert repro.returncode == 0, repro.communicate()[1]
                break
            victim = chance.choice(VICTIMS)
            kill(repro.pid, victim)
            victims[victim] += 1
            repro.wait()  # not for the end of its output, which an orphan would hold open
            assert_nobody_is_left(workspace)
        assert difference(workspace, undisturbed) == []
        workspace.run("dvc", "status", "--quiet", "dvc.yaml")
        assert leftovers(workspace) == []
    print(f"kills: {victims}, in {round_number} rebuilds")


def kill(dvc: int, victim: str) -> None:
    """Kill DVC itself, what it runs, or both with all that they started."""
    if victim == "group":
        os.killpg(dvc, signal.SIGKILL)
    elif victim == "dvc":
        os.kill(dvc, signal.SIGKILL)
    else:
        for process in psutil.Process(dvc).children(recursive=True):
            process.kill()


def assert_nobody_is_left(workspace: Workspace) -> None:
    deadline = time.monotonic() + 5
    while (left := processes_in(workspace.folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def processes_in(folder: Path) -> list[list[str]]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def difference(one: Workspace, other: Workspace) -> list[str]:
    """The files of which two workspaces have different bytes: the lock, what git holds and all data."""
    names = {
        path.relative_to(workspace.folder)
        for workspace in (one, other)
        for top in ("dvc.lock", "data", "metrics")
        for path in [workspace.folder / top, *(workspace.folder / top).rglob("*")]
        if path.is_file()
    }

    def content(workspace: Workspace, name: Path) -> bytes | None:
        path = workspace.folder / name
        return path.read_bytes() if path.exists() else None

    return sorted(str(name) for name in names if content(one, name) != content(other, name))


def leftovers(workspace: Workspace) -> list[str]:
    """Half-built outputs and temporary files, in the workspace and in DVC's folders."""
    found = [*workspace.folder.rglob("*.partial*"), *(workspace.folder / ".dvc").rglob("*tmp*/**/*.tmp")]
    cache = workspace.folder / ".dvc/cache/files/md5"
    found += [path for path in cache.rglob("*") if path.is_file() and len(path.parent.name + path.stem) != 32]
    return [str(path.relative_to(workspace.folder)) for path in found]
