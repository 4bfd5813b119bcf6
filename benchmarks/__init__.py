"""Speed and memory beside other libraries, as ratios within one run; no result depends on them.

Ours and a peer are measured in turn; a row has the median and range of their ratios.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import psutil
from tqdm import tqdm

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in stages, but before a benchmark imports NumPy

PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow")
MARK = "\n#cost "

# Runs a command and adds a line to stderr: its CPU seconds, and the peak memory in MiB of the largest process in its
# tree. A process of its own, because Linux counts what a parent holds at the start of a child as the child's.
LAUNCHER = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = {"cpu_seconds": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}
print("\\n#cost " + json.dumps(found), file=sys.stderr)
sys.exit(code)
"""

Found = TypeVar("Found")
Row = dict[str, Any]


class BenchmarkError(Exception):
    """Something that a benchmark needs is missing or failed; the message says what to do."""


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    cpu_seconds: float  # user and system time of all its processes
    mib: float  # peak resident memory of its largest process; pages of mapped files count
    output: str  # its standard output


def row(
    what: str, unit: str, ours: Sequence[float], peer: Sequence[float], goal: str = "", *, also: bool = True
) -> Row:
    """What was compared, round by round; medians and ranges, and whether the goal, such as "≥ 10", is reached.

    The ratio is that of ours to the peer's within each round. `also` is a further condition, named in `what`.
    """
    ratio = spread([mine / its for mine, its in zip(ours, peer, strict=True)])
    found: Row = {"what": what, "unit": unit, "ours": spread(ours), "peer": spread(peer), "ratio": ratio}
    if goal:
        sign, bound = goal.split()
        met = ratio[0] >= float(bound) if sign == "≥" else ratio[0] <= float(bound)
        found |= {"goal": goal, "reached": bool(also and met)}
    return found


def spread(values: Sequence[float]) -> list[float]:
    """The median, the lowest and the highest, to four significant digits."""
    return [float(f"{value:.4g}") for value in (statistics.median(values), min(values), max(values))]


def by_turns(candidates: Mapping[str, Callable[[], Found]], rounds: int) -> dict[str, list[Found]]:
    """Measure every candidate once in each round, in the order given; what each found, round by round."""
    turns = [name for _ in range(rounds) for name in candidates]
    found: dict[str, list[Found]] = {name: [] for name in candidates}
    for name in tqdm(turns, unit="measurement", disable=None):
        found[name].append(candidates[name]())
    return found


def run(command: Sequence[str]) -> Cost:
    """Run a command and say what it took; `BenchmarkError` if it fails."""
    result = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], capture_output=True, text=True)
    if result.returncode:
        said = (result.stdout + result.stderr)[-2000:]
        raise BenchmarkError(f"{' '.join(command)[:200]}: exit code {result.returncode}\n{said}")
    return Cost(**json.loads(result.stderr.rpartition(MARK)[2].splitlines()[0]), output=result.stdout)


def machine() -> str:
    """What the results depend on: processor, cores, memory, Python and packages."""
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.*)", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    processor = named[1] if named else platform.machine()
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores of {processor}, {memory:.1f} GiB, Python {platform.python_version()}, {packages}"
