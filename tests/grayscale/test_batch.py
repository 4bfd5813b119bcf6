"""Worker processes: what dies is reported, never waited for, and nothing is imported from beside photographs."""

import os
import signal
from pathlib import Path
from unittest.mock import Mock

import pytest

from grayscale import batch
from grayscale.batch import Choice
from grayscale.files import Job
from tests.grayscale.conftest import save


class Killing(Choice):
    """Kills the worker that gets it, as the kernel does when memory runs out."""

    def __setstate__(self, _: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def jobs(folder: Path, count: int) -> list[Job]:
    return [Job(save(folder / f"{number}.png"), folder / f"{number}.gray.png") for number in range(count)]


def test_a_killed_worker_is_an_error_not_a_hang(tmp_path: Path) -> None:
    due = jobs(tmp_path, 3)
    failed = batch.run(due, Killing("bt601", None, 8), workers=2).failed
    assert list(failed) == [job.source for job in due]
    assert all("worker process was killed" in reason for reason in failed.values())


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
