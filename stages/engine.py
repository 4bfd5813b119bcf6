"""Where work runs: in this process, in further processes of this machine, or on a Ray cluster. Never what it gives.

engine.yaml says so, and the environment overrules it. A function that runs here is one of a module, takes one task and
gives the same for it anywhere; results come in the order of the tasks.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from stages.settings import Section, SettingsError, explain
from stages.stage import PR_SET_PDEATHSIG, StageError

ENGINE = Path("engine.yaml")
OVERRULED_BY = {"engine": "ENGINE", "workers": "WORKERS", "address": "RAY_ADDRESS"}  # environment variables
TRIES = 3  # of a task whose worker is killed

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Section):
    """What engine.yaml says."""

    engine: Literal["local", "ray"]
    workers: int = Field(ge=1, le=1024)
    address: str = Field(min_length=1)


def load(environment: Mapping[str, str] = os.environ, path: Path = ENGINE) -> Engine:
    """Read and check engine.yaml, with what the environment overrules in it.

    Raises:
        SettingsError: the file is missing, is not YAML, or it or the environment says something impossible.
    """
    try:
        raw = dict(YAML(typ="safe").load(path))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: not found; run from the top of the repository") from error
    except (YAMLError, TypeError, ValueError) as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    for key, variable in OVERRULED_BY.items():
        if said := environment.get(variable):
            raw[key] = int(said) if key == "workers" and said.isdecimal() else said
    try:
        return Engine.model_validate(raw)
    except ValidationError as error:
        raise SettingsError("\n".join(explain(str(path), item, Engine) for item in error.errors())) from error


def run(function: Callable[[Task], Result], tasks: Sequence[Task], engine: Engine, cpus: int = 1) -> Iterator[Result]:
    """What `function` gives for each task, in their order; memory holds the results of a few tasks at a time.

    Args:
        function: of a module, so that another process can import it.
        tasks: picklable.
        engine: where.
        cpus: that one task keeps busy; a cluster places tasks by it.

    Raises:
        StageError: a task's worker was killed `TRIES` times, or there is no cluster.
        Exception: what `function` raised.
    """
    if engine.engine == "ray":
        return _on_ray(function, tasks, engine.address, cpus)
    if engine.workers > 1 and len(tasks) > 1:
        return _in_processes(function, tasks, min(engine.workers, len(tasks)))
    return map(function, tasks)


def call(function: Callable[[Task], Result], task: Task, engine: Engine, cpus: int = 1) -> Result:
    """What `function` gives for one task: computed on the cluster if there is one, else in this process."""
    return next(iter(run(function, [task], engine, cpus)))


# === Processes ===


def _in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    done = tries = 0
    while done < len(tasks):
        before = done
        # spawn: a fork would share the threads and the state of TensorFlow
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_die_with_parent)
        try:
            for future in _ahead(partial(pool.submit, function), tasks[done:], 2 * workers):
                yield future.result()
                done += 1
        except BrokenProcessPool:
            tries = tries + 1 if done == before else 1
            if tries == TRIES:
                raise StageError(
                    f"a worker process was killed {TRIES} times, the system's log says why; if memory did not suffice, "
                    f"lower `workers` in {ENGINE}"
                ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead(submit: Callable[[Any], Any], tasks: Sequence[Any], most: int) -> Iterator[Any]:
    """Submit tasks, `most` at a time, and give what stands for their results in order."""
    waiting: deque[Any] = deque()
    for task in tasks:
        waiting.append(submit(task))
        if len(waiting) == most:
            yield waiting.popleft()
    yield from waiting


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# === Ray ===


def _on_ray(function: Callable[[Task], Result], tasks: Sequence[Task], address: str, cpus: int) -> Iterator[Result]:
    ray = connected(address)
    remote = ray.remote(num_cpus=cpus, max_retries=TRIES - 1)(_at)
    home = str(Path.cwd())
    slots = max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus)
    for reference in _ahead(partial(remote.remote, home, function), tasks, 2 * slots):
        try:
            yield ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise StageError(f"the Ray cluster at {address} lost a task {TRIES} times: {error}") from None


def connected(address: str) -> Any:
    """The module ray, connected to the cluster at `address`.

    Raises:
        StageError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise StageError(f"{ENGINE} wants engine ray, which is not installed; run `make setup-ray`") from None
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises what it finds: ConnectionError, RuntimeError, ValueError, its own
            raise StageError(f"no Ray cluster at {address}: {error}; docs/scale.md says how to start one") from error
    return ray


def _at(home: str, function: Callable[[Task], Result], task: Task) -> Result:
    """On a node of the cluster, which sees the repository at the same path."""
    os.chdir(home)
    return function(task)
