"""The same bytes in another environment and after kills: the hashes in dvc.lock do not change."""

import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from stages.common import stage as running
from tests.conftest import Workspace, repository_copy

pytestmark = pytest.mark.long

# Makes libraries choose the code of a processor without AVX2 and FMA.
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
COMMITTED = ("fetch", "targets", "train@adaptive")  # no variant takes fewer steps


def test_the_committed_data_and_model_are_what_this_code_makes(tmp_path: Path) -> None:
    """For one variant; `make current` checks the rest."""
    workspace = repository_copy(tmp_path / "full")

    def outputs() -> list[Any]:
        lock = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"]
        return [lock[stage]["outs"] for stage in COMMITTED]

    before = outputs()
    workspace.run("dvc", "repro", "--single-item", *COMMITTED)
    assert outputs() == before


def is_dvc(command: list[str]) -> bool:
    return "repro" in command and any(Path(word).name in ("dvc", "stages.common.dvc") for word in command)


def kill(make: psutil.Process, victim: str) -> None:
    """Kill DVC alone, its stage, or all processes; then all must end."""
    tree = make.children(recursive=True)
    dvc = next(process for process in tree if is_dvc(process.cmdline()))
    victims = {"dvc": [dvc], "stage": dvc.children(recursive=True), "all": [make, *tree]}[victim]
    for process in victims:
        process.kill()
    _, alive = psutil.wait_procs(tree, timeout=60)  # without make, which the caller waits for
    assert alive == []


def test_one_core_an_old_processor_another_place_and_kills_give_the_same_bytes(
    first_rebuild: Workspace, tmp_path: Path
) -> None:
    """One stage after the other, killed three times; `first_rebuild` ran two side by side without kills."""
    workspace = first_rebuild.copy(tmp_path / "another place")
    shutil.rmtree(workspace.folder / ".dvc/cache")
    workspace.run("git", "clean", "--quiet", "-dxf", "data", ".dvc/tmp")
    command = (sys.executable, "-c", ON_ONE_CORE, "make", "repro", "RUNTIME=", "JOBS=1")
    output = ""
    for stage, victim in {"targets": "dvc", "train@simple": "stage", "evaluate@simple": "all"}.items():
        process = workspace.start(*command, **OLD_PROCESSOR, **ELSEWHERE)
        while not (workspace.folder / running.LOCKS / f"{stage}.lock").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        kill(psutil.Process(process.pid), victim)
        output += "".join(process.communicate())
        assert process.returncode != 0
    ended = workspace.run(*command, **OLD_PROCESSOR, **ELSEWHERE)
    output += ended.stdout + ended.stderr
    output = re.sub(rf".*{DVC_WARNS}.*", "", output)
    assert [word for word in NOISE if word in output] == []
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    assert workspace.run("git", "status", "--porcelain").stdout == ""
    assert list((workspace.folder / "data").rglob(".*.partial")) == []
