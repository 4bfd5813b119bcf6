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
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from grayscale import decode, files, photograph
from grayscale.core.levels import levels
from grayscale.files import FilesError, Job
from grayscale.models import ModelError
from grayscale.reading.names import shown

WHITE = (255, 255, 255)  # behind transparent pixels
KILLED = "not converted: a worker process was killed, perhaps because memory ran out; use fewer --jobs"

_stop: Any = SimpleNamespace(value=0)  # in a worker, shared with the main process; not 0: convert no further


@dataclass(frozen=True)
class Choice:
    """How to convert."""

    method: str | None  # a closed form, or …
    model: Path | None  # … a model file
    bits: int  # of the output, 8 or 16
    threads: int | None = None  # for a network; by default, the number of cores
    noisy: Path | None = None  # the model file for noisy photographs, if they have their own
    sigma: float | None = None  # noise in gray levels, for networks that remove it; by default, it is estimated


class Done(NamedTuple):
    """A converted photograph."""

    is_noisy: bool  # it was converted by `Choice.noisy`
    note: str | None  # about metadata that did not fit into its output


def run(jobs: list[Job], choice: Choice, workers: int) -> dict[Path, Done | str]:
    """Convert every job, even if others fail, with a progress bar if stderr is a terminal.

    Returns:
        Source → what was done, or the reason why it failed.

    Raises:
        ModelError: the model can't be used.
    """
    results = _in_processes(jobs, choice, workers) if workers > 1 else (_result(job, choice, False) for job in jobs)
    bar = tqdm(results, total=len(jobs), unit="photograph", disable=None if len(jobs) > 1 else True)
    with closing(results):
        return {job.source: result for job, result in zip(jobs, bar, strict=True)}


def _convert(job: Job, choice: Choice, quiet: bool) -> Done:
    """Read one photograph, convert it stripe by stripe, and write its gray."""
    # The decoded image is freed before the output is written.
    with decode.lenient_pillow(), closing(decode.open_upright(job.source, WHITE)) as image:
        files.refuse(job.target, image.size)
        kept = files.metadata(job.source, image.size)
        width, height = image.size

        def read(top: int, bottom: int) -> np.ndarray:
            _require_wanted()
            return np.asarray(image.crop((0, top, width, bottom)))

        model = choice.model and photograph.automatic(choice.model, choice.noisy, read, height, width)
        convert = _converter(replace(choice, model=model))
        gray = np.empty((height, width), np.uint8 if choice.bits == 8 else np.uint16)
        name = shown(job.source.name)
        with tqdm(total=height, unit="row", desc=name, leave=False, disable=quiet or None, delay=2) as bar:
            for top, rows in convert(read, height, width):
                gray[top : top + len(rows)] = levels(rows, bits=choice.bits)
                bar.update(len(rows))
    return Done(model is not None and model == choice.noisy, files.write(job.target, gray, kept, job.source))


def _result(job: Job, choice: Choice, quiet: bool) -> Done | str:
    """Convert one file, or return the reason why that failed. `ModelError` if the model can't be loaded."""
    _converter(choice)
    try:
        _require_wanted()
        return _convert(job, choice, quiet)
    except (decode.DecodeError, FilesError, ModelError) as error:
        return str(error)
    except Exception as error:  # one bad file must not stop the others
        return f"{type(error).__name__}: {error}"


def _require_wanted() -> None:
    if _stop.value:
        raise FilesError("interrupted")


@functools.cache  # all photographs of a run get the same model, even if its file changes
def _converter(choice: Choice) -> photograph.Converter:
    if choice.model is None:
        assert choice.method is not None
        return photograph.closed_form(choice.method)
    return photograph.network(choice.model, choice.threads, choice.sigma)


def _in_processes(jobs: list[Job], choice: Choice, workers: int) -> Generator[Done | str]:
    """`_result` of each job, in order."""
    choice = replace(choice, threads=max(1, photograph.cores() // workers))
    context = multiprocessing.get_context("spawn")  # threads don't survive a fork
    with ExitStack() as stack:
        with _settings_of_workers():
            try:
                stop = context.RawValue("b", 0)  # without a lock, which a killed worker would keep
                pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _begin, (stop,))
            except (OSError, NotImplementedError) as error:  # it needs semaphores, which Linux keeps in /dev/shm
                raise OSError(f"can't share work among processes on this machine ({error}); use --jobs 1") from error
            stack.callback(pool.shutdown, cancel_futures=True)  # after an interrupt or a fault, too
            stack.callback(setattr, stop, "value", 1)  # first
            waiting = [pool.submit(_result, job, choice, True) for job in jobs]
        for future in waiting:
            try:
                yield future.result()
            except BrokenProcessPool:
                yield KILLED


@contextmanager
def _settings_of_workers() -> Iterator[None]:
    """Set what new processes inherit.

    They ignore Ctrl-C: the main process stops them. They import no modules from the working directory, which may be a
    folder of photographs.
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


def _begin(stop: Any) -> None:
    """In a worker: end when the main process ends, and convert no further when it sets `stop`."""
    global _stop
    _stop = stop

    def wait() -> None:
        multiprocessing.parent_process().join()  # type: ignore[union-attr]  # not None in a worker
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
