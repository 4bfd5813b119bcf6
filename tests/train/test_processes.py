"""Training in processes of its own: kills, replicas, seeds, and sums that do not depend on the processor.

`python -m tests.train.test_processes JOBS`, JSON, trains on data/pairs. A job has `network`, `folder` for results,
`checkpoint`, and optionally `replicas`, `die` (epoch and step after which the process dies, from 0) and changes of the
recipe. A file beside the checkpoint has a line for each epoch that began.
"""

import json
import os
import platform
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from stages.common import settings
from stages.common.settings import Variant
from stages.formats.patches import PatchSet
from stages.train import training
from tests import samples
from tests.conftest import REPOSITORY

FILES = ("model.keras", "curve.csv", "start.keras", "facts.json")
NETWORKS = ("vae", "simple")
RECIPE = {"batch": 8, "budget": 3 * 48, "warmup": 48}
OPTIONS = {"vae": {"latent": 8, "sigma": 0.05, "input": "colour_damage"}}  # whose batches are made in threads


def train(
    *, network: str, folder: str, checkpoint: str, replicas: int = 1, die: list[int] | None = None, **changes: Any
) -> None:
    fit: Any = import_module("stages.train.fit")
    sys.modules["stages.train.export"] = Mock()  # no ONNX: test_export checks its bytes

    class Watched(fit.TqdmCallback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_begin(epoch, logs)
            self.epoch = epoch
            with Path(checkpoint).with_suffix(".epochs").open("a") as file:
                file.write(f"{epoch}\n")

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if [self.epoch, batch] == die:
                os.kill(os.getpid(), signal.SIGKILL)

    fit.TqdmCallback = Watched
    params = settings.load(REPOSITORY / "params.yaml").train
    recipe = {**params.recipe.model_dump(), **RECIPE, "network": network, **OPTIONS.get(network, {}), **changes}
    how = params.model_copy(update={"replicas": replicas})
    Path(folder).mkdir()
    facts = training.train(training.Task(Variant.model_validate(recipe), how, Path(checkpoint)), Path(folder))
    Path(folder, "facts.json").write_text(json.dumps(facts))


def processes(folder: Path, *jobs: dict[str, Any]) -> int:
    """Run jobs one after the other in a new process; return its exit status."""
    jobs = tuple({"checkpoint": f"{job['folder']}.kept", **job} for job in jobs)
    command = [sys.executable, "-m", "tests.train.test_processes", json.dumps(jobs)]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(REPOSITORY)}, check=False).returncode


@pytest.fixture(scope="module")
def folder(patch_set: PatchSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With patches to train on, and for validation an odd number of them, which replicas cannot share evenly."""
    folder = tmp_path_factory.mktemp("trainings")
    (folder / "data/pairs/validation").mkdir(parents=True)
    (folder / "data/pairs/train").symlink_to(patch_set.folder)
    colour, gray = (patch_set.read(kind)[:47] for kind in ("colour", "gray"))
    samples.write_patches(folder / "data/pairs/validation", patch_set.index[:47], colour, gray, [47])
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """With the results of undisturbed trainings, and a training of vae that was killed in an epoch."""
    undisturbed = [{"network": network, "folder": network} for network in NETWORKS]
    killed = {"network": "vae", "checkpoint": "killed.kept", "folder": "killed", "die": [1, 3]}
    assert processes(folder, *undisturbed, killed) == -signal.SIGKILL
    return folder


@pytest.mark.long
def test_a_killed_training_continues_from_the_last_whole_epoch_to_the_same_bytes(trained: Path) -> None:
    assert processes(trained, {"network": "vae", "checkpoint": "killed.kept", "folder": "resumed"}) == 0
    assert (trained / "killed.epochs").read_text().split() == ["0", "1", "1", "2"]
    for name in FILES:
        assert (trained / "vae" / name).read_bytes() == (trained / "resumed" / name).read_bytes(), name


@pytest.mark.long
def test_two_replicas_train_the_same_network_as_one(trained: Path) -> None:
    import keras

    jobs = [{"network": network, "folder": f"{network}.two", "replicas": 2} for network in NETWORKS]
    assert processes(trained, *jobs) == 0
    for network in NETWORKS:  # gradients are summed in another order
        files = (trained / name / "model.keras" for name in (network, f"{network}.two"))
        one, two = (keras.saving.load_model(file, compile=False).get_weights() for file in files)
        for mine, other in zip(one, two, strict=True):
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-5)


def test_initial_weights_depend_on_the_seed(folder: Path) -> None:
    assert processes(folder, *({"network": "subpixel", "folder": f"seed.{seed}", "seed": seed} for seed in (1, 2))) == 0
    assert (folder / "seed.1/start.keras").read_bytes() != (folder / "seed.2/start.keras").read_bytes()


BLOCKS = """
from stages.train import blocks, precision
precision.prepare(1, "float64")
blocks.cut_alike()
print(blocks.terms())
for sizes in ((blocks.CACHE, 48 * 1024), (48 * 1024, blocks.CACHE)):
    blocks.replace_cache(*sizes)
    print(blocks.terms())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the promise is for x86-64")
def test_sums_have_blocks_for_32_kib_on_every_processor() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["336", "504", "336"]
    assert "sums are cut" not in done.stderr


if __name__ == "__main__":
    for job in json.loads(sys.argv[1]):
        train(**job)
