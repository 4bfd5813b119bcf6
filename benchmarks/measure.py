"""How everything here is measured: pairs by turns, the median and range of their ratios, and on which machine.

What is measured stands in the module of each benchmark.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import psutil
from tqdm import tqdm

PACKAGES = ("dvc", "keras", "numpy", "opencv-python-headless", "pillow", "scikit-image", "scipy", "tensorflow")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

MARK = "\n#cost "

# Runs a command and adds a line to stderr: seconds, CPU seconds, and the peak memory in MiB of the largest process in
# its tree. A process of its own, because Linux counts what a parent holds at the start of a child as the child's.
LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[1:])
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}
print("\\n#cost " + json.dumps(found), file=sys.stderr)
sys.exit(code)
"""

Found = TypeVar("Found")


class BenchmarkError(Exception):
    """Something that a benchmark needs is missing or failed; the message says what to do."""


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: from start to end.
        cpu_seconds: user and system time of all its processes.
        mib: peak resident memory of its largest process in MiB; pages of mapped files count.
        output: its standard output.
        errors: its standard error.
    """

    seconds: float
    cpu_seconds: float
    mib: float
    output: str
    errors: str


def by_turns(candidates: Mapping[str, Callable[[], Found]], rounds: int) -> dict[str, list[Found]]:
    """Measure every candidate once in each round, in the order given; what each found, round by round.

    A drift of the machine then falls on all alike, and the ratio of two candidates is taken within each round.

    Args:
        candidates: name → function that returns seconds, or whatever is compared. Its warm-up is its own affair.
        rounds: how many.
    """
    found: dict[str, list[Found]] = {name: [] for name in candidates}
    with tqdm(total=rounds * len(candidates), unit="measurement", disable=None) as bar:
        for _ in range(rounds):
            for name, candidate in candidates.items():
                bar.set_description(name, refresh=True)
                found[name].append(candidate())
                bar.update()
    return found


def cpu_seconds(work: Callable[[], Any], *, warm_up: bool = True) -> float:
    """CPU seconds of `work` in this process, which runs once before, unless told otherwise, as the warm-up.

    Of work on one thread this is the time that it takes where nothing else runs, and nearly so where something does.
    """
    if warm_up:
        work()
    start = time.process_time()
    work()
    return time.process_time() - start


def spread(values: Sequence[float]) -> dict[str, Any]:
    """The median and range of what rounds found."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "rounds": len(values)}


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    """The median and range of the ratios within each round."""
    return spread([one / other for one, other in zip(above, below, strict=True)])


def goal(
    what: str,
    ours: str,
    peer: str,
    ratio: Mapping[str, Any] | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
    also: bool = True,
) -> dict[str, Any]:
    """A row of the table: what was compared, and whether the goal is reached.

    Args:
        what: is measured.
        ours: figure and unit of ours.
        peer: figure and unit of what it is compared with; for a goal without a peer, what is asked for.
        ratio: of `ratio` or `spread`; higher is better if `least` is given, lower if `most` is.
        least: the goal for the median.
        most: the goal for the median.
        also: a further condition, named in `what`.
    """
    row: dict[str, Any] = {"what": what, "ours": ours, "peer": peer}
    if ratio is not None:
        row["ratio"] = dict(ratio)
    if least is not None or most is not None:
        middle = row["ratio"]["median"]
        row["goal"] = {"least": least} if least is not None else {"most": most}
        row["reached"] = bool(also and (middle >= least if least is not None else middle <= most))
    return row


def run(
    command: Sequence[str],
    folder: Path = Path(),
    environment: Mapping[str, str] | None = None,
    *,
    fails: bool = False,
) -> Cost:
    """Run a command to its end in `folder`, whose modules come first, and say what it took.

    Raises:
        BenchmarkError: it failed, or did not although it should (`fails`); with the end of what it said.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    surroundings = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(folder.absolute())}
    result = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *command],
        cwd=folder,
        env={**surroundings, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if bool(result.returncode) != fails:
        said = (result.stdout + result.stderr)[-2000:]
        raise BenchmarkError(f"{' '.join(command)[:200]}: exit code {result.returncode}\n{said}")
    errors, _, found = result.stderr.rpartition(MARK)
    return Cost(**json.loads(found.splitlines()[0]), output=result.stdout, errors=errors)


def child(module: str, *arguments: object) -> Any:
    """What `python -m benchmarks.<module> <arguments>` prints in its last line, as JSON.

    For what must have a process of its own: TensorFlow fixes threads and data type once.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    return json.loads(run(command).output.splitlines()[-1])


def machine() -> dict[str, Any]:
    """What the figures hang on: processor, cores, memory, system, Python and packages."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(aliased=True, terse=True),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    family = ", ".join(f"{key} {found[key]}" for key in ("cpu family", "model") if key in found)
    return f"{found.get('model name', platform.machine())} ({family})"
