"""Worker processes: what dies is reported, never waited for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from grayscale import batch
from grayscale import photograph as convert
from grayscale.batch import Choice
from grayscale.files import Job
from stages.common.artifacts import ArtifactError
from tests.grayscale.conftest import save


class Killed(Choice):
    """Kills the worker that uses it, as the kernel does when memory runs out."""

    def converter(self) -> convert.Converter:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().converter()


def test_a_killed_worker_is_an_error_not_a_hang(tmp_path: Path) -> None:
    jobs = [Job(save(tmp_path / f"{number}.png"), tmp_path / f"{number}.gray.png") for number in range(3)]
    failed = batch.run(jobs, Killed("bt601", None, 8), workers=2)
    assert list(failed) == [job.source for job in jobs]
    assert all("worker process was killed" in reason for reason in failed.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_can_not_be_loaded_stops_all(tmp_path: Path, workers: int) -> None:
    jobs = [Job(save(tmp_path / f"{number}.png"), tmp_path / f"{number}.gray.png") for number in range(2)]
    none = save(tmp_path / "none.png").rename(tmp_path / "none.h5")
    with pytest.raises(ArtifactError, match=r"none\.h5"):
        batch.run(jobs, Choice(None, none, 8), workers)
    assert not list(tmp_path.glob("*.gray.png"))
