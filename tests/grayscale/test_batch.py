"""Many files: one worker or two give the same, and what dies is reported, never waited for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from grayscale import batch, photograph
from grayscale.batch import Choice
from grayscale.files import Job
from grayscale.models import ModelError
from tests.grayscale.conftest import save


class Killed(Choice):
    """Kills the worker that uses it, as the kernel does when memory runs out."""

    def converter(self) -> photograph.Converter:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().converter()


def jobs(folder: Path, count: int) -> list[Job]:
    return [Job(save(folder / f"{number}.png"), folder / f"{number}.gray.png") for number in range(count)]


def test_a_killed_worker_is_an_error_not_a_hang(tmp_path: Path) -> None:
    due = jobs(tmp_path, 3)
    failed = batch.run(due, Killed("bt601", None, 8), workers=2)
    assert list(failed) == [job.source for job in due]
    assert all("worker process was killed" in reason for reason in failed.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_can_not_be_loaded_stops_all(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx"):
        batch.run(jobs(tmp_path, 2), Choice(None, tmp_path / "none.onnx", 8), workers)
    assert not list(tmp_path.glob("*.gray.png"))
