"""Tasks with faults for the tests of engines and shards."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stages.common.artifacts import ArtifactError


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def faulty(number: int) -> int:
    if number == 3:
        raise ArtifactError(f"photo-{number}.png: damaged")
    return number


def killed_always(task: tuple[int, str]) -> int:
    """The number; each try at 2 appends a byte to the note and kills its process."""
    number, note = task
    if number == 2:
        with Path(note).open("a") as file:
            file.write(".")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def endless(note: str) -> None:
    """Note the start, and run for longer than a test."""
    Path(note).touch()
    time.sleep(600)


def noise(seed: int, folder: Path) -> dict[str, Any]:
    """A shard: an array that depends on the seed alone. Notes the try beside the kept shards."""
    time.sleep(0.2 * (seed == 2))  # others end before it
    values = np.random.default_rng(seed).integers(0, 256, (64, 64), np.uint8)
    np.save(folder / "noise.npy", values)
    with (folder.parent.parent / "tries").open("a") as file:
        file.write(f"{seed}\n")
    return {"seed": seed, "mean": float(values.mean())}


def noise_or_fault(seed: int, folder: Path) -> dict[str, Any]:
    """As `noise`, but 3 is damaged after its file is written."""
    facts = noise(seed, folder)
    if seed == 3:
        raise ArtifactError("photo-3.png: damaged")
    return facts


def noise_or_kill(seed: int, folder: Path) -> dict[str, Any]:
    """As `noise`, but the first try at 3 kills its process after its file is written."""
    note = folder.parent.parent / "killed"
    facts = noise(seed, folder)
    if seed == 3 and not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return facts


def wait_until(happened: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait; False if it did not happen in time."""
    deadline = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
