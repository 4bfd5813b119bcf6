"""The whole pipeline at full size, in other places, against the committed dvc.lock: the same bytes on every machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from grayscale.core.tensorflow_import import tensorflow_import
from stages.common.artifacts import sha256_of
from tests.conftest import REPOSITORY, Workspace, repository_copy

pytestmark = pytest.mark.verify

VARIANTS = list(YAML(typ="safe").load(REPOSITORY / "params.yaml")["variants"])
COMMITTED = ("dvc.lock", "metrics/summary.json", "metrics/probes.csv", "metrics/result.png")

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


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Rebuilt from nothing, as a newcomer does; dvc.lock is written anew."""
    workspace = repository_copy(tmp_path_factory.mktemp("full"))
    (workspace.folder / "dvc.lock").unlink()
    workspace.run("dvc", "repro", "--force")
    return workspace


def differing(workspace: Workspace) -> list[str]:
    return [name for name in COMMITTED if (workspace.folder / name).read_bytes() != (REPOSITORY / name).read_bytes()]


def test_a_rebuild_from_nothing_gives_the_committed_bytes(full: Workspace) -> None:
    assert differing(full) == []


def test_one_core_an_old_processor_another_place_and_mask_give_the_same_bytes(tmp_path: Path) -> None:
    workspace = repository_copy(tmp_path / "another place")
    command = (sys.executable, "-c", ON_ONE_CORE, "dvc", "repro", "--force")
    workspace.run(*command, **OLD_PROCESSOR, **ELSEWHERE)
    assert differing(workspace) == []


@pytest.mark.parametrize(("threads", "processor"), [(1, OLD_PROCESSOR), (4, {})], ids=["1 thread, old", "4 threads"])
def test_the_number_of_threads_does_not_change_a_weight(
    full: Workspace, tmp_path: Path, threads: int, processor: dict[str, Any]
) -> None:
    workspace = full.copy(tmp_path / "workspace")
    workspace.edit_params(train__threads=threads)
    for name in VARIANTS:
        workspace.run("python", "-m", "stages.train", name, **processor)
        model = Path("data/models", name, "model.keras")
        assert sha256_of(workspace.folder / model) == sha256_of(full.folder / model), name


def test_every_model_loads_in_safe_mode(full: Workspace) -> None:
    with tensorflow_import():
        import keras

        import stages.networks.layers  # noqa: F401  # registers those that a model file may hold
    for name in VARIANTS:
        model = keras.saving.load_model(full.folder / f"data/models/{name}/model.keras", safe_mode=True)
        assert model.count_params() > 1000, name
