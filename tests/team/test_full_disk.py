"""A rebuild on a full disk: DVC can end with 0 and a written dvc.lock, `make repro` does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Workspace

# The cache on a disk of 16 MB of its own, with 64 kB left: room for the small files of the report, not for its page.
# Nothing of it goes on when the mount has failed: the filler would fill the disk of the machine.
SCRIPT = """
set -e
cp -r .dvc/cache ../kept
mount -t tmpfs -o size=16m none .dvc/cache
mountpoint --quiet .dvc/cache
cp -r ../kept/. .dvc/cache
head -c 64k /dev/zero > .dvc/cache/room
! head -c 16M /dev/zero > .dvc/cache/filler 2>/dev/null
rm .dvc/cache/room
code() { "$@" && echo 0 || echo $?; }
code make repro RUNTIME= > ../full.out 2> ../full.err
code git diff --quiet dvc.lock > ../lock.out
rm .dvc/cache/filler
code make repro RUNTIME= > ../freed.out 2>&1
code make audit RUNTIME= > ../audit.out 2>&1
"""


@pytest.fixture(scope="module")
def told(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was printed on the full disk, after space was freed, and by the audit that followed.

    The last line of each is the exit status. Stages are stand-ins: what a full disk does to their outputs is up to DVC.
    """
    folder = tmp_path_factory.mktemp("full")
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    tried = [*namespace, "mount", "-t", "tmpfs", "none", str(folder)]
    if not shutil.which("unshare") or subprocess.run(tried, capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here, not even in a namespace of its own")
    workspace = first_stand_in_rebuild.copy(folder / "workspace")
    page = workspace.folder / "stages/report/page.html"
    page.write_text(page.read_text().replace("<h2>Curves", "<h2>The curves"))
    workspace.run(*namespace, "bash", "-c", SCRIPT)
    return folder


def test_a_full_disk_fails_the_rebuild_though_dvc_writes_its_lock(told: Path) -> None:
    errors = (told / "full.err").read_text()
    assert status(told / "lock.out") == 1  # DVC took it for done
    assert status(told / "full.out") != 0
    assert "No space left on device" in errors
    assert "make repro: " in errors.splitlines()[-2]
    assert "if the disk is full, free space; then run make repro again" in errors.splitlines()[-2]


def test_when_space_is_freed_the_rebuild_completes_and_nothing_is_corrupt(told: Path) -> None:
    assert status(told / "freed.out") == 0
    assert "Running stage 'report'" in (told / "freed.out").read_text()
    assert status(told / "audit.out") == 0


def status(output: Path) -> int:
    """The exit status below what a command printed."""
    *printed, code = output.read_text().splitlines()
    print(*printed, sep="\n")
    return int(code)
