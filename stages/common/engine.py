"""Where work runs: in this process, in further processes of this machine, or on a Ray cluster. Never what it gives.

engine.yaml says so, and the environment overrules it. A function that runs here is one of a module, takes one task and
gives the same for it anywhere; results come in the order of the tasks.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import pickle
import platform
import signal
import socket
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from stages.common import environment
from stages.common.environment import EnvironmentDiffersError
from stages.common.settings import Section, SettingsError, explain
from stages.common.stage import PR_SET_PDEATHSIG, StageError

ENGINE = Path("engine.yaml")
OVERRULED_BY = {"engine": "ENGINE", "workers": "WORKERS", "address": "RAY_ADDRESS"}  # environment variables
TRIES = 3  # of a task whose worker is killed
LOOK_AFTER = 30.0  # seconds without a result from a cluster, after which its nodes are counted again

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Section):
    """What engine.yaml says."""

    engine: Literal["local", "ray"]
    workers: int = Field(ge=1, le=1024)
    address: str = Field(min_length=1)


def load(environ: Mapping[str, str] = os.environ, path: Path = ENGINE) -> Engine:
    """Read and check engine.yaml, with what the environment overrules in it.

    Raises:
        SettingsError: the file is missing, is not YAML, or it or the environment says something impossible.
    """
    try:
        raw = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: not found; run from the top of the repository") from error
    except YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    said = {key: environ[variable] for key, variable in OVERRULED_BY.items() if environ.get(variable)}
    numbers = {key: int(value) for key, value in said.items() if key == "workers" and value.isdecimal()}
    try:
        return Engine.model_validate({**raw, **said, **numbers} if isinstance(raw, dict) else raw)
    except ValidationError as error:
        sources: dict[Any, str] = {(key,): f"{OVERRULED_BY[key]} in the environment" for key in said}
        faults = [explain(sources.get(item["loc"][:1], str(path)), item, Engine) for item in error.errors()]
        raise SettingsError("\n".join(faults)) from error


def run(
    function: Callable[[Task], Result], tasks: Sequence[Task], engine: Engine, cpus: int = 1, gpus: int = 0
) -> Iterator[Result]:
    """What `function` gives for each task, in their order; memory holds the results of a few tasks at a time.

    Nothing is computed before the first result is asked for.

    Args:
        function: of a module, so that another process can import it. It may be called again for a task whose worker was
            killed, even while a lost worker is still at the first try.
        tasks: picklable, as are results and exceptions.
        engine: where.
        cpus: that one task keeps busy; a cluster places tasks by it.
        gpus: the same.

    Raises:
        StageError: a task's worker was killed `TRIES` times, or there is no such cluster, or no node fit for the task.
        Exception: what `function` raised.
    """
    if engine.engine == "ray":
        return _on_ray(function, tasks, engine.address, cpus, gpus)
    if engine.workers > 1 and len(tasks) > 1:
        return _in_processes(function, tasks, min(engine.workers, len(tasks)))
    return map(function, tasks)


# === Processes ===
# Not concurrent.futures: where a worker is killed while it sends a result, its pool waits for ever, since all workers
# share one pipe. Here each has its own, whose end tells of its death, and only the task that was lost is done again.


class _Worker:
    """A process, and the number of the task that it is at; None if it waits for one."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork would share the threads and the state of TensorFlow
        self.connection, far = spawn.Pipe()
        self.process = spawn.Process(target=_work, args=(function, far), daemon=True)
        self.process.start()
        far.close()  # so that only the worker holds it
        self.task: int | None = None

    def give(self, number: int, task: Any) -> None:
        self.task = number
        with suppress(OSError):  # it is dead, which shows when its answer is awaited
            self.connection.send(task)

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def _in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    pool = [_Worker(function) for _ in range(workers)]
    due = deque(range(len(tasks)))
    killed: Counter[int] = Counter()
    answers: dict[int, tuple[bool, Any]] = {}
    try:
        for number in range(len(tasks)):
            while number not in answers:
                for worker in pool:
                    if worker.task is None and due and due[0] < number + 2 * workers:
                        worker.give(due[0], tasks[due.popleft()])
                at_work = {worker.connection: worker for worker in pool if worker.task is not None}
                for connection in wait(list(at_work)):
                    worker = at_work[connection]  # type: ignore[index]  # wait() gives what it was given
                    task, worker.task = worker.task, None
                    assert task is not None
                    try:
                        answers[task] = worker.connection.recv()
                    except (EOFError, OSError):
                        killed[task] += 1
                        if killed[task] == TRIES:
                            raise StageError(
                                f"a worker process was killed {TRIES} times at task {task}; the system's log says why, "
                                f"and if memory did not suffice, lower `workers` in {ENGINE}"
                            ) from None
                        due.appendleft(task)
                        worker.end()
                        pool[pool.index(worker)] = _Worker(function)
            fine, answer = answers.pop(number)
            if not fine:
                raise answer
            yield answer
    finally:
        for worker in pool:
            worker.end()


def _work(function: Callable[[Any], Any], connection: Connection) -> None:
    """A worker's life: answer each task with (True, result) or (False, exception)."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return  # the parent has closed its end
        try:
            connection.send((True, function(task)))
        except Exception as error:
            connection.send((False, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The exception with its traceback as a note, which pickling would take off; its text where it can't be pickled."""
    text = "".join(traceback.format_exception(error))
    error.add_note(text)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return StageError(text)
    return error


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():  # killed before the kernel was asked
        raise SystemExit


# === Ray ===


def _on_ray(
    function: Callable[[Task], Result], tasks: Sequence[Task], address: str, cpus: int, gpus: int
) -> Iterator[Result]:
    ray = connected(address)
    nodes = cpus_of_nodes(ray)
    cpus = max(1, min(cpus, max(nodes, default=0)))  # a task that fits on no node would wait for ever
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=TRIES - 1, scheduling_strategy="SPREAD")(_at)
    most = 2 * max(1, sum(nodes) // cpus)  # at once: those at work, and as many that wait
    home = str(Path.cwd())
    waiting: deque[Any] = deque()
    due = iter(tasks)
    try:
        while True:
            while len(waiting) < most and (task := next(due, waiting)) is not waiting:
                waiting.append(remote.remote(home, function, task))
            if not waiting:
                return
            while not ray.wait([waiting[0]], timeout=LOOK_AFTER)[0]:
                if max(cpus_of_nodes(ray, gpus), default=0) < cpus:
                    needed = f"{cpus} CPUs" + (f" and {gpus} GPUs" if gpus else "")
                    raise StageError(f"no node of the Ray cluster at {address} has {needed} for a task; add a node")
            result = ray.get(waiting[0])
            waiting.popleft()
            yield result
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise StageError(f"the Ray cluster at {address} lost a task {TRIES} times: {error}") from None
    finally:
        for reference in waiting if ray.is_initialized() else ():
            ray.cancel(reference, force=True)


def cpus_of_nodes(ray: Any, gpus: int = 0) -> list[int]:
    """How many CPUs each living node has that has so many GPUs."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [int(resources.get("CPU", 0)) for resources in found if resources.get("GPU", 0) >= gpus]


def connected(address: str) -> Any:
    """The module ray, connected to the cluster at `address`.

    Raises:
        StageError: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", str(TRIES - 1))  # otherwise Ray tries for ever
    try:
        import ray
    except ImportError:
        raise StageError(f"{ENGINE} wants engine ray, which is not installed; run `make setup-ray`") from None
    if not ray.is_initialized():
        try:
            host, _, port = address.rpartition(":")
            if port.isdecimal():
                socket.create_connection((host, int(port)), timeout=10).close()  # Ray would knock for minutes
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises what it finds: ConnectionError, RuntimeError, ValueError, its own
            raise StageError(f"no Ray cluster at {address}: {error}; docs/scale.md says how to start one") from error
    return ray


def _at(home: str, function: Callable[[Task], Result], task: Task) -> Result:
    enter(home)
    return function(task)


def enter(home: str) -> None:
    """Go to the repository, on a node of the cluster, which sees it at the same path.

    Raises:
        StageError: it is not there, or the node has other packages; names the node.
    """
    try:
        os.chdir(home)
        _check_packages()
    except (OSError, EnvironmentDiffersError) as error:
        raise StageError(
            f"node {platform.node()} of the Ray cluster: {error}; docs/scale.md says what a node needs"
        ) from None


@cache
def _check_packages() -> None:
    environment.verify(environment.read())
