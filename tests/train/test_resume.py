"""A killed training goes on to the same bytes, and replicas give those of one network; in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.formats.patches import PatchSet
from tests.conftest import REPOSITORY

FILES = ("model.keras", "curve.csv", "facts.json")


def processes(folder: Path, *jobs: dict[str, Any]) -> int:
    """Do jobs of `tests.train.process` one after the other in a new process; its exit status."""
    command = [sys.executable, "-m", "tests.train.process", json.dumps(jobs)]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(REPOSITORY)}, check=False).returncode


@pytest.fixture(scope="module")
def folder(patch_set: PatchSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what undisturbed trainings leave, in simple and vae, and a checkpoint of each whose training was killed.

    That of vae died in mid-epoch, and was gone on from; that of simple died between two epochs.
    """
    folder = tmp_path_factory.mktemp("trainings")
    for split in ("train", "validation"):
        (folder / "data/pairs").mkdir(parents=True, exist_ok=True)
        (folder / "data/pairs" / split).symlink_to(patch_set.folder)
    vae, simple = ({"network": network, "checkpoint": f"{network}.kept"} for network in ("vae", "simple"))
    undisturbed = [
        {"network": network, "checkpoint": f"{network}.other", "folder": network} for network in ("vae", "simple")
    ]
    assert processes(folder, *undisturbed, {**vae, "folder": "a", "die": [2, 3, 0]}) == -signal.SIGKILL
    going_on = {**vae, "folder": "vae.resumed"}
    assert processes(folder, going_on, {**simple, "folder": "b", "die": [3, 0, 0]}) == -signal.SIGKILL
    return folder


def test_a_training_that_was_killed_in_mid_epoch_goes_on_to_the_same_bytes(folder: Path) -> None:
    for name in FILES:
        assert (folder / "vae" / name).read_bytes() == (folder / "vae.resumed" / name).read_bytes(), name


def test_a_training_that_was_killed_between_epochs_goes_on_to_the_same_bytes(folder: Path) -> None:
    assert processes(folder, {"network": "simple", "checkpoint": "simple.kept", "folder": "simple.resumed"}) == 0
    for name in FILES:
        assert (folder / "simple" / name).read_bytes() == (folder / "simple.resumed" / name).read_bytes(), name


def test_two_replicas_train_the_network_that_one_trains(folder: Path) -> None:
    jobs = [
        {"network": network, "checkpoint": f"{network}.two.kept", "folder": f"{network}.two", "replicas": 2}
        for network in ("vae", "simple")
    ]
    assert processes(folder, *jobs) == 0
    for network in ("vae", "simple"):
        for name in FILES[:2]:
            assert (folder / network / name).read_bytes() == (folder / f"{network}.two" / name).read_bytes(), name
