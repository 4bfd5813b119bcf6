"""Replicas that Ray Train spreads over processes train the network that mirrored ones on one machine train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.formats.patches import PatchSet
from tests.conftest import REPOSITORY

DRIVER = """
from pathlib import Path
import ray
from stages.common.engine import Engine
from stages.train import training
from tests.train import process
ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
task = process.task("vae", Path("vae.kept").resolve(), die=(2, 3, 1), replicas=2)
shard = training.done(process.train, task, Path("kept"), Engine(engine="ray", workers=1, address="local"))
shard.folder.rename("spread")
"""


@pytest.mark.long  # about two minutes of processor time
def test_replicas_on_ray_of_which_one_is_killed_leave_what_mirrored_ones_leave(
    patch_set: PatchSet, tmp_path: Path
) -> None:
    (tmp_path / "data/pairs").mkdir(parents=True)
    for split in ("train", "validation"):
        (tmp_path / "data/pairs" / split).symlink_to(patch_set.folder)
    (tmp_path / "environment.yaml").symlink_to(REPOSITORY / "environment.yaml")  # which a node is checked against
    jobs = [{"network": "vae", "checkpoint": "mirrored.kept", "folder": "mirrored", "replicas": 2}]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "RAY_USAGE_STATS_ENABLED": "0"}
    for command in (["-c", DRIVER], ["-m", "tests.train.process", json.dumps(jobs)]):
        subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "vae.died").exists()
    for name in ("model.keras", "curve.csv"):
        assert (tmp_path / "spread" / name).read_bytes() == (tmp_path / "mirrored" / name).read_bytes(), name
