"""Convert many files, in this process or in several worker processes."""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from grayscale import decode, files, photograph
from grayscale.core.levels import levels
from grayscale.files import FilesError, Job
from grayscale.models import ModelError
from grayscale.reading.names import shown

WHITE = (255, 255, 255)  # behind what is transparent, as on paper
KILLED = "not converted: a worker process was killed, perhaps for want of memory; use fewer --jobs"


@dataclass(frozen=True)
class Choice:
    """How to convert."""

    method: str | None  # a closed form, or …
    model: Path | None  # … a model file
    bits: int  # 8 or 16, of the output
    threads: int | None = None  # of a network; None: one for each core
    noisy: Path | None = None  # another model file for photographs with noise, where the choice is ours
    sigma: float | None = None  # gray levels of noise that the network is told; None: as estimated


@dataclass
class Outcome:
    """What came of many photographs."""

    failed: dict[Path, str] = field(default_factory=dict)  # those that could not be converted, each with the reason
    noisy: int = 0  # how many were converted by `Choice.noisy`
    notes: dict[Path, str] = field(default_factory=dict)  # what did not fit into an output that was written


class Done(NamedTuple):
    """A photograph that was converted: by which model file, if any, and what did not fit into its output."""

    model: Path | None
    note: str | None


def run(jobs: list[Job], choice: Choice, workers: int) -> Outcome:
    """Convert every job, whatever becomes of the others, and show how far it is where stderr is a terminal.

    Raises:
        ModelError: the model can't be used.
    """
    outcome = Outcome()
    if jobs and workers > 1:
        results = _in_processes(jobs, choice, workers)
    else:
        results = (_result(job, choice, False) for job in jobs)
    bar = tqdm(total=len(jobs), unit="photograph", disable=None if len(jobs) > 1 else True)
    with bar, closing(results):
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, str):
                outcome.failed[job.source] = result
            else:
                outcome.noisy += result.model is not None and result.model == choice.noisy
                if result.note:
                    outcome.notes[job.source] = result.note
            bar.update()
    return outcome


def _convert(job: Job, choice: Choice, quiet: bool) -> Done:
    """Read one photograph, convert it stripe by stripe, and write its gray."""
    # The decoded image's memory is free before the output is written.
    with decode.pillow_limit(None), closing(decode.open_upright(job.source, WHITE)) as image:
        files.refuse_size(job.target, image.size)
        kept = files.metadata(job.source, image.size)
        width, height = image.size

        def read(top: int, bottom: int) -> np.ndarray:
            return np.asarray(image.crop((0, top, width, bottom)))

        model = choice.model and photograph.automatic(choice.model, choice.noisy, read, height, width)
        stripes = _converter(replace(choice, model=model))(read, height, width)
        gray = np.empty((height, width), np.uint8 if choice.bits == 8 else np.uint16)
        name = shown(job.source.name)
        with tqdm(total=height, unit="row", desc=name, leave=False, disable=quiet or None, delay=2) as bar:
            for top, rows in stripes:
                gray[top : top + len(rows)] = levels(rows, bits=choice.bits)
                bar.update(len(rows))
    return Done(model, files.write(job.target, gray, kept, job.source))


def _result(job: Job, choice: Choice, quiet: bool) -> Done | str:
    """Convert one file; or, as text, the reason why it failed. `ModelError` if the model can't be loaded."""
    _converter(choice)
    try:
        return _convert(job, choice, quiet)
    except (decode.DecodeError, FilesError, ModelError) as error:
        return str(error)
    except Exception as error:  # one bad file must not stop the others, whatever a library makes of it
        return f"{type(error).__name__}: {error}"


@functools.cache
def _converter(choice: Choice) -> photograph.Converter:
    """For a model this loads ONNX Runtime; `ModelError` if the file is missing, or is none that the training wrote."""
    if choice.model is None:
        assert choice.method is not None
        return photograph.closed_form(choice.method)
    return photograph.network(choice.model, choice.threads, choice.sigma)


def _in_processes(jobs: list[Job], choice: Choice, workers: int) -> Generator[Done | str]:
    """As `_result`, of each job in their order."""
    choice = replace(choice, threads=max(1, photograph.cores() // workers))
    context = multiprocessing.get_context("spawn")  # threads don't survive a fork
    with ExitStack() as stack:
        with _settings_of_workers():
            try:
                pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _end_with_parent)
            except (OSError, NotImplementedError) as error:  # it needs semaphores, which Linux keeps in /dev/shm
                raise OSError(f"can't share work among processes on this machine ({error}); use --jobs 1") from error
            stack.callback(pool.shutdown, cancel_futures=True)  # after an interrupt or a fault, too
            waiting = [pool.submit(_result, job, choice, True) for job in jobs]
        for future in waiting:
            try:
                yield future.result()
            except BrokenProcessPool:
                yield KILLED


@contextmanager
def _settings_of_workers() -> Iterator[None]:
    """What new processes inherit.

    Ctrl-C is for the main process alone, which lets each worker end its photograph. Modules are not imported from the
    working directory, which may be a folder of photographs.
    """
    interrupt, path = signal.signal(signal.SIGINT, signal.SIG_IGN), os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)
        del os.environ["PYTHONSAFEPATH"]
        if path is not None:
            os.environ["PYTHONSAFEPATH"] = path


def _end_with_parent() -> None:
    """Of a worker: it ends with the main process."""

    def wait() -> None:
        multiprocessing.parent_process().join()  # type: ignore[union-attr]  # not None in a worker
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
