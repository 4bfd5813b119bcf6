"""Many files: one worker or two give the same, and what dies is reported, never waited for."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from grayscale import batch, photograph
from grayscale.batch import Choice
from grayscale.files import Job
from grayscale.models import ModelError
from tests.grayscale.conftest import clouds, node, save, write_graph


class Killed(Choice):
    """Kills the worker that uses it, as the kernel does when memory runs out."""

    def converter(self) -> photograph.Converter:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().converter()


def jobs(folder: Path, count: int) -> list[Job]:
    return [Job(save(folder / f"{number}.png"), folder / f"{number}.gray.png") for number in range(count)]


def test_a_killed_worker_is_an_error_not_a_hang(tmp_path: Path) -> None:
    due = jobs(tmp_path, 3)
    failed = batch.run(due, Killed("bt601", None, 8), workers=2).failed
    assert list(failed) == [job.source for job in due]
    assert all("worker process was killed" in reason for reason in failed.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_can_not_be_loaded_stops_all(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx"):
        batch.run(jobs(tmp_path, 2), Choice(None, tmp_path / "none.onnx", 8), workers)
    assert not list(tmp_path.glob("*.gray.png"))


@pytest.mark.parametrize("workers", [1, 2])
def test_each_photograph_is_converted_by_the_network_for_its_noise(tmp_path: Path, workers: int) -> None:
    clean = write_graph(tmp_path / "clean.onnx", [node("ReduceMean", ["x"], ["y"], axes=[3])])
    noisy = write_graph(tmp_path / "noisy.onnx", [node("ReduceMin", ["x"], ["y"], axes=[3])])
    due = jobs(tmp_path, 3)
    grain = np.random.default_rng(0).normal(0, 12, (20, 31, 3))
    pixels = (clouds(20, 31) * 0.6 + 50 + grain).astype(np.uint8)
    Image.fromarray(pixels).save(due[1].source)
    outcome = batch.run(due, Choice(None, clean, 8, noisy=noisy), workers)
    assert (outcome.failed, outcome.noisy) == ({}, 1)
    grays = [np.asarray(Image.open(job.target)) for job in due]
    np.testing.assert_array_equal(grays[1], pixels.min(axis=-1))
    np.testing.assert_array_equal(grays[0], (clouds(20, 31).sum(axis=-1, dtype=int) + 1) // 3)


def test_workers_import_nothing_from_the_folder_of_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    due = jobs(tmp_path, 2)
    (tmp_path / "multiprocessing.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert batch.run(due, Choice("bt601", None, 8), workers=2).failed == {}
    assert not (tmp_path / "ran").exists()
    assert "PYTHONSAFEPATH" not in os.environ


def test_without_shared_memory_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "ProcessPoolExecutor", Mock(side_effect=FileNotFoundError(2, "No such file")))
    with pytest.raises(OSError, match=r"can't share work .*No such file.*use --jobs 1"):
        batch.run(jobs(tmp_path, 2), Choice("bt601", None, 8), workers=2)
