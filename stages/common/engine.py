"""Where tasks run: in this process, in worker processes of this machine, or on a Ray cluster. Results are the same.

engine.yaml decides; environment variables override it.
"""

import logging
import os
import platform
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from stages.common import environment
from stages.common.environment import EnvironmentDiffersError
from stages.common.settings import Section, SettingsError, explain, read_yaml
from stages.common.stage import StageError, die_with_parent

ENGINE = Path("engine.yaml")
VARIABLES = {"engine": "ENGINE", "workers": "WORKERS", "address": "RAY_ADDRESS"}  # key → environment variable
TRIES = 3  # on a cluster, of a task whose worker is killed
LOOK_AFTER = 30.0  # seconds without a result, after which the nodes of the cluster are counted again

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Section):
    """The content of engine.yaml."""

    engine: Literal["local", "ray"]
    workers: int = Field(ge=1, le=1024)
    address: str = Field(min_length=1)


def load(environ: Mapping[str, str] = os.environ, path: Path = ENGINE) -> Engine:
    """Read engine.yaml and the variables that override it; `SettingsError` names the key and where it was set."""
    raw = read_yaml(path)
    given: dict[str, Any] = {key: environ[name] for key, name in VARIABLES.items() if environ.get(name)}
    if given.get("workers", "").isdecimal():
        given["workers"] = int(given["workers"])
    try:
        return Engine.model_validate({**raw, **given} if isinstance(raw, dict) else raw)
    except ValidationError as error:
        sources: dict[Any, str] = {(key,): f"{VARIABLES[key]} in the environment" for key in given}
        faults = [explain(sources.get(item["loc"][:1], str(path)), item) for item in error.errors()]
        raise SettingsError("\n".join(faults)) from error


def run(
    function: Callable[[Task], Result], tasks: Sequence[Task], engine: Engine, cpus: int = 1, gpus: int = 0
) -> Iterator[Result]:
    """Yield the result of each task in order; nothing runs before the first result is requested.

    `function` belongs to a module; a cluster calls it again if a worker is lost, perhaps while the first call still
    runs. Tasks, results and exceptions must be picklable, and results small: a worker that is killed while it sends
    megabytes looks like one at work. A cluster places tasks by the `cpus` and `gpus` that one of them uses.

    Raises:
        StageError: a worker was killed; there is no such cluster, or no node that fits the task.
        Exception: whatever `function` raised, at once, perhaps before the results of earlier tasks.
    """
    if engine.engine == "ray":
        return _on_cluster(function, tasks, engine.address, cpus, gpus)
    if engine.workers > 1 and len(tasks) > 1:
        return _in_processes(function, tasks, min(engine.workers, len(tasks)))
    return map(function, tasks)


def _in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    import joblib  # not needed for one process

    options = {"return_as": "generator", "batch_size": 1, "max_nbytes": None}
    # Without the initializer, workers would outlive this process and hold their memory for minutes.
    parallel = joblib.Parallel(workers, backend="loky", initializer=die_with_parent, **options)
    try:
        yield from parallel(joblib.delayed(function)(task) for task in tasks)
    except BrokenProcessPool:
        raise StageError(
            "a worker process was killed; the system log says why. If memory ran out, lower `workers` in "
            f"{ENGINE}. Finished work is kept: run the same command again"
        ) from None


# === Ray ===


def _on_cluster(
    function: Callable[[Task], Result], tasks: Sequence[Task], address: str, cpus: int, gpus: int
) -> Iterator[Result]:
    ray = connected(address)
    cpus = max(1, min(cpus, max(_cpus_of_nodes(ray), default=0)))  # a task that fits no node would wait forever
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=TRIES - 1, scheduling_strategy="SPREAD")(_on_node)
    home = str(Path.cwd())
    waiting = deque(remote.remote(home, function, task) for task in tasks)
    try:
        while waiting:
            while not ray.wait([waiting[0]], timeout=LOOK_AFTER)[0]:
                if max(_cpus_of_nodes(ray, gpus), default=0) < cpus:
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
        if waiting:  # disconnecting ends what still runs; cancelling can end this process (Ray 2.60)
            ray.shutdown()


def _cpus_of_nodes(ray: Any, gpus: int = 0) -> list[int]:
    """The CPUs of each living node that has at least so many GPUs."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [int(resources.get("CPU", 0)) for resources in found if resources.get("GPU", 0) >= gpus]


def connected(address: str) -> Any:
    """The module ray, connected to the cluster; `StageError` if Ray, the cluster or its token is missing."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):  # "auto" reads the address from a file that every user of a machine can write
        raise StageError(f"{ENGINE}: address is {address!r}; it must be host:port of the cluster's head")
    if os.environ.get("RAY_AUTH_MODE") != "token":  # without a token, anyone who reaches the cluster can run code here
        raise StageError("set RAY_AUTH_MODE=token, and the token that the cluster was started with; see docs/scale.md")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", str(TRIES - 1))  # Ray's default is to retry forever
    try:
        import ray
    except ImportError:
        raise StageError(f"{ENGINE} asks for engine ray, which is not installed; run `make setup-ray`") from None
    if not ray.is_initialized():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray would try for minutes
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # ConnectionError, RuntimeError, ValueError, or one of Ray's own
            raise StageError(f"no Ray cluster at {address}: {error}; docs/scale.md says how to start one") from error
    return ray


def _on_node(home: str, function: Callable[[Task], Result], task: Task) -> Result:
    """Run a task in the repository, which every node has at the same path."""
    try:
        os.chdir(home)
        _check_packages()
    except (OSError, SettingsError, EnvironmentDiffersError) as error:
        raise StageError(
            f"node {platform.node()} of the Ray cluster: {error}; docs/scale.md says what a node needs"
        ) from None
    return function(task)


@cache
def _check_packages() -> None:
    environment.verify(environment.read())
