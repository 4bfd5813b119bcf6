"""Check a stage's inputs, run it, publish its outputs.

Inputs are compared before and after, and only then do all outputs appear. A fault is one message and exit code 1.
"""

import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from stages.common import environment, settings
from stages.common.artifacts import ArtifactError, sha256_of
from stages.common.settings import SettingsError, read_yaml

PIPELINE = Path("dvc.yaml")
LOCKS = Path(".dvc/tmp/stages")
KEPT = Path(".dvc/tmp/kept")  # what survives a kill, by stage and by fingerprint of its inputs
DVC_HOLDS = Path(".dvc/tmp/rwlock")  # which process reads and writes what, as JSON
PR_SET_PDEATHSIG = 1  # linux/prctl.h
HASHED_UP_TO = 1 << 20  # bytes; larger inputs are watched by size and time of change

Fingerprint = dict[str, tuple[Any, ...]]


class StageError(Exception):
    """The stage can't go on; the message says what was wrong and what to do."""


@dataclass(frozen=True)
class Declaration:
    """What dvc.yaml says of one stage, its templates filled in."""

    deps: list[Path]
    params: list[str]  # keys of params.yaml
    packages: list[str]  # keys of environment.yaml
    others: dict[Path, list[str]] = field(default_factory=dict)  # further params files in YAML, and keys of each


@dataclass
class Stage:
    """A stage at work: its settings, and where to write."""

    settings: dict[str, Any]
    versions: dict[str, str]  # of the packages that dvc.yaml declares
    keep: Path  # folder for what a later try with the same code, params, data and packages may go on from
    _outs: dict[Path, Path] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        """The declared params under `key`, such as `targets` or `variants.simple`; `StageError` for another."""
        if key not in self.settings:
            raise StageError(
                f"dvc.yaml does not declare the param {key!r} for this stage; it declares {list(self.settings)}"
            )
        return self.settings[key]

    def out(self, path: str) -> Path:
        """Where to build the output file or folder `path`; it moves there when the stage ends well."""
        target = Path(path)
        building = target.with_name(f".{target.name}.partial")
        _remove(building)  # what a killed run may have left
        self._outs[target] = building
        return building

    def publish(self) -> None:
        """Move every output to its place."""
        for target, building in self._outs.items():
            _remove(target)
            building.replace(target)

    def close(self) -> None:
        """Remove what was built but not published."""
        for building in self._outs.values():
            _remove(building)


@contextmanager
def stage(name: str, item: str | None = None, *, declaration: Declaration | None = None) -> Iterator[Stage]:
    """Run the body as the stage `name` (of the variant or test set `item`) of dvc.yaml, with checks around it.

    The body's outputs, asked for with `Stage.out`, appear together when it ends without an exception and no input
    changed meanwhile. `StageError`, `SettingsError`, `ArtifactError` and `EnvironmentDiffersError` end the process with
    their message and exit code 1. Work that is no stage of dvc.yaml brings its `declaration`; params of other files
    than params.yaml are handed over as they are written there.
    """
    _die_with_dvc()
    label = f"{name}@{item}" if item else name
    ended_well = False
    try:
        with _alone(label):
            _refuse_code_of_another_checkout()
            declaration = declaration or declared(name, item)
            before = fingerprint(declaration)
            checked, versions = settings.load(), environment.read()
            used = {package: versions[package] for package in declaration.packages}
            environment.verify(used)
            given = {key: _lookup(checked, key) for key in declaration.params}
            for file, keys in declaration.others.items():
                given |= {key: _lookup(read_yaml(file), key) for key in keys}
            with closing(Stage(given, used, _kept(label, before))) as work:
                yield work
                _refuse_if_changed(before, fingerprint(declaration))
                work.publish()
                _remove(work.keep.parent)
            ended_well = True
    except (StageError, SettingsError, ArtifactError, environment.EnvironmentDiffersError) as error:
        print(f"{label}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print(f"{label}: interrupted; what was finished is kept, `dvc repro` goes on from there", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        if not ended_well:
            _restore_tracked(name, item)


def item_of(text: str) -> str:
    """The variant or test set that a command line means: `simple` as people type it, or `train@simple` as DVC says it.

    dvc.yaml hands over DVC's variable DVC_STAGE, in quotes: put in by `${key}`, a name would be a part of the command.
    """
    return text.rpartition("@")[2]


def declared(name: str, item: str | None = None) -> Declaration:
    """Look up a stage in dvc.yaml; `StageError` lists those that exist, or the items of its `foreach`."""
    stages = read_yaml(PIPELINE)["stages"]
    if name not in stages:
        raise StageError(f"{PIPELINE} has no stage {name!r}; it has {', '.join(stages)}")
    settings.load()  # before templates are filled in: its message says what is wrong
    entry, values = stages[name], read_yaml(settings.PARAMS)
    if "foreach" in entry:
        group = entry["foreach"].removeprefix("${").removesuffix("}")
        items = values[group]
        if item not in items:
            raise StageError(f"{settings.PARAMS} has no {group.removesuffix('s')} {item!r}; it has {', '.join(items)}")
        entry = entry["do"]
        values |= {"key": item, "item": items[item]}

    def fill(text: str) -> str:
        return re.sub(r"\$\{([\w.]+)\}", lambda template: str(_lookup(values, template[1])), text)

    files: dict[Path, list[str]] = {settings.PARAMS: [], environment.ENVIRONMENT: []}
    for param in entry["params"]:
        for file, keys in param.items() if isinstance(param, dict) else [(settings.PARAMS, [param])]:
            files.setdefault(Path(file), []).extend(map(fill, keys))
    return Declaration(
        deps=[Path(fill(dep)) for dep in entry["deps"]],
        params=files.pop(settings.PARAMS),
        packages=files.pop(environment.ENVIRONMENT),
    )


def fingerprint(declaration: Declaration) -> Fingerprint:
    """What identifies the stage's inputs now: file → sha256, or size and time of change; param → value.

    `StageError` names an input that is missing.
    """
    found: Fingerprint = {}
    for dep in declaration.deps:
        if not dep.exists():
            raise StageError(f"{dep}: an input of this stage is missing; run `dvc repro`")
        for path in sorted(dep.rglob("*")) if dep.is_dir() else [dep]:
            if not path.is_file() or "__pycache__" in path.parts:  # a FIFO would never end
                continue
            status = path.stat()
            if status.st_size <= HASHED_UP_TO and os.access(path, os.R_OK):
                found[str(path)] = (sha256_of(path),)
            else:
                found[str(path)] = (status.st_size, status.st_mtime_ns)
    for file, keys in {settings.PARAMS: declaration.params, **declaration.others}.items():
        params = read_yaml(file)  # as written: a slip in another stage's params is no reason to lose this one's work
        found.update({f"{file}: {key}": (_lookup(params, key),) for key in keys})
    versions = environment.read()
    found.update({f"{environment.ENVIRONMENT}: {name}": (versions[name],) for name in declaration.packages})
    return found


def _kept(label: str, inputs: Fingerprint) -> Path:
    """Where the stage keeps what survives a kill; what it kept for other inputs is removed."""
    # A file that was edited and put back may have been read in between: times count, too.
    times = [(path, Path(path).stat().st_mtime_ns) for path in inputs if Path(path).is_file()]
    known = json.dumps([sorted(inputs.items()), sorted(times)], default=str)
    mine = KEPT / label / hashlib.sha256(known.encode()).hexdigest()[:16]
    for other in {*mine.parent.glob("*")} - {mine}:
        _remove(other)
    return mine


def _refuse_if_changed(before: Fingerprint, after: Fingerprint) -> None:
    """DVC hashes inputs after the command has ended (its issue 11058): it would record an edit that was never used."""
    moved = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if moved:
        raise StageError(f"{', '.join(moved)} changed while the stage ran; nothing was written, run `dvc repro` again")


def _refuse_code_of_another_checkout() -> None:
    """The environment of another clone can bring that clone's code, whose results DVC would record here."""
    for package in ("stages", "grayscale"):
        here, spec = Path(package).resolve(), find_spec(package)
        code = Path(str(spec and spec.origin)).resolve().parent
        if here.is_dir() and code != here:
            raise StageError(
                f"this is the code of {code.parent}, not of {here.parent}; run `make setup` here, activate its "
                "environment (`. .venv/bin/activate`), and unset PYTHONSAFEPATH and PYTHONPATH"
            )


def _restore_tracked(name: str, item: str | None) -> None:
    """Bring back the results in git that DVC deleted before a stage that then failed.

    `persist: true` in dvc.yaml would keep them, but also keep DVC from ever taking the stage from its run cache.
    """
    with suppress(SettingsError, KeyError, OSError):
        entry = read_yaml(PIPELINE)["stages"][name]
        entry = entry.get("do", entry)
        outs = [out for kind in ("outs", "metrics", "plots") for out in entry.get(kind, []) if isinstance(out, dict)]
        paths = [path.replace("${key}", item or "") for out in outs for path in out]
        command = ["git", "ls-files", "--deleted", "--", *paths]
        gone = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        if paths and gone:
            subprocess.run(["git", "checkout", "--quiet", "--", *gone], check=False)
            print(f"{', '.join(gone)}: DVC had deleted this for the stage; it is again as in git", file=sys.stderr)


def _lookup(tree: Any, key: str) -> Any:
    """The value under a dotted key of nested dicts or settings; None where there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else getattr(tree, part, None)
    return tree


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _alone(label: str) -> Iterator[None]:
    """Wait until no other process runs this stage, such as one whose DVC was killed."""
    try:
        LOCKS.mkdir(parents=True, exist_ok=True)
        opened = (LOCKS / f"{label}.lock").open("w")
    except OSError as error:
        raise StageError(f"{LOCKS} can't be written: {error.strerror}; run in a checkout of your own") from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{label}: another run of this stage is at work; waiting for its end", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)  # released by the kernel, even if that process is killed
        yield


def die_with_parent() -> None:
    """Ask Linux to kill this process with the one that started it; elsewhere, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_with_dvc() -> None:
    """Let this process end with the one that started it: an orphan must not write over a later result."""
    die_with_parent()
    if "DVC_STAGE" in os.environ and _dvc_is_gone():  # before the kernel was asked
        raise SystemExit("the DVC that started this stage has ended")


def _dvc_is_gone() -> bool:
    """Is no ancestor of this process among those that hold an output, as DVC does while it runs a stage?"""
    try:
        held = json.loads(DVC_HOLDS.read_text(encoding="utf-8"))["write"].values()
    except (OSError, ValueError, KeyError):
        return False  # DVC keeps its books in another way
    holders = {holder["pid"] for holder in held}
    return bool(holders) and holders.isdisjoint(process.pid for process in psutil.Process().parents())
