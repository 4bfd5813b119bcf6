"""The same bytes elsewhere, and after kills: dvc.lock, which holds the hash of every output, does not change."""

import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from stages.common import stage as door
from tests.conftest import Workspace, repository_copy

pytestmark = pytest.mark.long

# What the libraries choose their code by, set to what they would find on a processor without AVX2 and FMA.
OLD_PROCESSOR: dict[str, Any] = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX2_Usable,-FMA_Usable",
}
ELSEWHERE: dict[str, Any] = {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
ON_ONE_CORE = (
    "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.umask(0o077); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
NOISE = ("cuda", "absl", "oneDNN", "NodeDef", "WARNING", "Traceback")  # of TensorFlow
DVC_WARNS = "had been killed. Auto removed it from the lock file"
COMMITTED = ("fetch", "targets", "train@adaptive")  # rebuilt at full size; no variant takes fewer steps


def emptied(workspace: Workspace, folder: Path) -> Workspace:
    """A copy that holds what git holds, and no result."""
    copy = workspace.copy(folder)
    shutil.rmtree(copy.folder / ".dvc/cache")
    copy.run("git", "clean", "--quiet", "-dxf", "data", ".dvc/tmp")
    return copy


def test_the_committed_data_and_model_are_what_this_code_makes(tmp_path: Path) -> None:
    """Of one variant; whether the rest is current is up to `make current` and `make repro`."""
    workspace = repository_copy(tmp_path / "full")
    before = hashes(workspace)
    workspace.run("dvc", "repro", "--single-item", *COMMITTED)
    assert hashes(workspace) == before


def hashes(workspace: Workspace) -> list[Any]:
    """The outputs of `COMMITTED` that dvc.lock names, each with its hash."""
    lock = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"]
    return [lock[stage]["outs"] for stage in COMMITTED]


def is_dvc(command: list[str]) -> bool:
    return "repro" in command and any(Path(word).name in ("dvc", "stages.common.dvc") for word in command)


def kill(make: psutil.Process, victim: str) -> None:
    """Kill DVC alone, what it runs, or all; then nobody is left, and nobody goes on writing."""
    tree = make.children(recursive=True)
    dvc = next(process for process in tree if is_dvc(process.cmdline()))
    victims = {"dvc": [dvc], "stage": dvc.children(recursive=True), "all": [make, *tree]}[victim]
    for process in victims:
        process.kill()
    _, alive = psutil.wait_procs(tree, timeout=60)  # make is the caller's
    assert alive == []


def test_one_core_an_old_processor_another_place_and_kills_give_the_same_bytes(
    first_rebuild: Workspace, tmp_path: Path
) -> None:
    """One stage after the other, killed three times; the shared rebuild had two side by side, and nobody killed it."""
    workspace = emptied(first_rebuild, tmp_path / "another place")
    command = (sys.executable, "-c", ON_ONE_CORE, "make", "repro", "RUNTIME=", "JOBS=1")
    told = ""
    for stage, victim in {"targets": "dvc", "train@simple": "stage", "evaluate@simple": "all"}.items():
        process = workspace.start(*command, **OLD_PROCESSOR, **ELSEWHERE)
        while not (workspace.folder / door.LOCKS / f"{stage}.lock").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        kill(psutil.Process(process.pid), victim)
        told += "".join(process.communicate())
        assert process.returncode != 0
    ended = workspace.run(*command, **OLD_PROCESSOR, **ELSEWHERE)
    told += ended.stdout + ended.stderr
    told = re.sub(rf".*{DVC_WARNS}.*", "", told)
    assert [word for word in NOISE if word in told] == []
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    assert workspace.run("git", "status", "--porcelain").stdout == ""
    assert list((workspace.folder / "data").rglob(".*.partial")) == []


def test_two_rebuilds_in_one_workspace_do_no_harm(workspace: Workspace) -> None:
    workspace.edit_params(targets__min_contrast=6)
    both = [workspace.start("dvc", "repro", "targets") for _ in range(2)]
    ends = [(process.communicate(), process.returncode) for process in both]
    assert 0 in [code for _, code in ends], ends
    for (_, errors), code in ends:
        told = "is busy, it is being blocked by" in errors or "another DVC process is running" in errors
        assert code == 0 or told, errors
    assert workspace.stages_run("targets") == []
    assert list((workspace.folder / "data").rglob(".*.partial")) == []
