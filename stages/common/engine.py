"""Where work runs: in this process, in further processes of this machine, or on a Ray cluster. Never what it gives.

engine.yaml says so, and the environment overrules it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from stages.common import ray_engine
from stages.common.ray_engine import Result, Task
from stages.common.settings import Section, SettingsError, explain, read_yaml
from stages.common.stage import StageError, die_with_parent

ENGINE = Path("engine.yaml")
OVERRULED_BY = {"engine": "ENGINE", "workers": "WORKERS", "address": "RAY_ADDRESS"}  # environment variables


class Engine(Section):
    """What engine.yaml says."""

    engine: Literal["local", "ray"]
    workers: int = Field(ge=1, le=1024)
    address: str = Field(min_length=1)


def load(environ: Mapping[str, str] = os.environ, path: Path = ENGINE) -> Engine:
    """Read and check engine.yaml, with what the environment overrules in it; `SettingsError` names key and source."""
    raw = read_yaml(path)
    said: dict[str, Any] = {key: environ[name] for key, name in OVERRULED_BY.items() if environ.get(name)}
    if said.get("workers", "").isdecimal():
        said["workers"] = int(said["workers"])
    try:
        return Engine.model_validate({**raw, **said} if isinstance(raw, dict) else raw)
    except ValidationError as error:
        sources: dict[Any, str] = {(key,): f"{OVERRULED_BY[key]} in the environment" for key in said}
        faults = [explain(sources.get(item["loc"][:1], str(path)), item, Engine) for item in error.errors()]
        raise SettingsError("\n".join(faults)) from error


def run(
    function: Callable[[Task], Result], tasks: Sequence[Task], engine: Engine, cpus: int = 1, gpus: int = 0
) -> Iterator[Result]:
    """What `function` gives for each task, in their order; nothing is computed before the first result is asked for.

    Args:
        function: of a module. A cluster may call it again for a task whose worker was lost, even while that one is
            still at the first try.
        tasks: picklable, as are results and exceptions. Results are small: a worker that is killed while it sends
            megabytes can't be told from one at work.
        engine: where.
        cpus: that one task keeps busy; `gpus` the same. A cluster places tasks by them.

    Raises:
        StageError: a worker was killed, or there is no such cluster, or no node fit for the task.
        Exception: what `function` raised, at once: results of earlier tasks may not have been given yet.
    """
    if engine.engine == "ray":
        return ray_engine.run(function, tasks, engine.address, cpus, gpus)
    if engine.workers > 1 and len(tasks) > 1:
        return _in_processes(function, tasks, min(engine.workers, len(tasks)))
    return map(function, tasks)


def _in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    import joblib  # here, because one process need not wait for it

    options = {"return_as": "generator", "batch_size": 1, "max_nbytes": None}
    # or a worker would outlive this process, and hold its memory for minutes
    parallel = joblib.Parallel(workers, backend="loky", initializer=die_with_parent, **options)
    try:
        yield from parallel(joblib.delayed(function)(task) for task in tasks)
    except BrokenProcessPool:
        raise StageError(
            "a worker process was killed; the system's log says why. If memory did not suffice, lower `workers` in "
            f"{ENGINE}. What was finished is kept: run the same command again"
        ) from None
