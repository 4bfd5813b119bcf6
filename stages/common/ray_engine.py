"""The engine `ray`: tasks spread over the machines of a Ray cluster, done again where a worker or a node is lost.

Ray is imported here only, and only where engine.yaml asks for it.
"""

import logging
import os
import platform
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from stages.common import environment
from stages.common.environment import EnvironmentDiffersError
from stages.common.settings import SettingsError
from stages.common.stage import StageError

Task = TypeVar("Task")
Result = TypeVar("Result")

TRIES = 3  # of a task whose worker is killed
LOOK_AFTER = 30.0  # seconds without a result from a cluster, after which its nodes are counted again


def run(
    function: Callable[[Task], Result], tasks: Sequence[Task], address: str, cpus: int, gpus: int
) -> Iterator[Result]:
    """As `engine.run`, on the nodes of the cluster at `address`; `StageError` for a node that differs, too."""
    ray = connected(address)
    cpus = max(1, min(cpus, max(cpus_of_nodes(ray), default=0)))  # a task that fits on no node would wait for ever
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=TRIES - 1, scheduling_strategy="SPREAD")(_at)
    home = str(Path.cwd())
    waiting = deque(remote.remote(home, function, task) for task in tasks)
    try:
        while waiting:
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
        if waiting:  # to leave the cluster ends what is still at work; to cancel it can end this process (Ray 2.60)
            ray.shutdown()


def cpus_of_nodes(ray: Any, gpus: int = 0) -> list[int]:
    """How many CPUs each living node has that has so many GPUs."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [int(resources.get("CPU", 0)) for resources in found if resources.get("GPU", 0) >= gpus]


def connected(address: str) -> Any:
    """The module ray, connected to the cluster; `StageError` without Ray, such a cluster or its token."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):  # "auto" takes the address from a file that every user of a machine can write
        raise StageError(f"engine.yaml: address is {address!r}; it must be host:port of the cluster's head")
    if os.environ.get("RAY_AUTH_MODE") != "token":  # or whoever reaches the cluster could run code here
        raise StageError("set RAY_AUTH_MODE=token, and the token that the cluster was started with; see docs/scale.md")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", str(TRIES - 1))  # otherwise Ray tries for ever
    try:
        import ray
    except ImportError:
        raise StageError("engine.yaml wants engine ray, which is not installed; run `make setup-ray`") from None
    if not ray.is_initialized():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray would knock for minutes
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises what it finds: ConnectionError, RuntimeError, ValueError, its own
            raise StageError(f"no Ray cluster at {address}: {error}; docs/scale.md says how to start one") from error
    return ray


def _at(home: str, function: Callable[[Task], Result], task: Task) -> Result:
    """Do a task in the repository, which a node sees at the same path."""
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
