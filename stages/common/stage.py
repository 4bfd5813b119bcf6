"""Check a stage's inputs, run it, publish its outputs.

Outputs appear together, and only if no input changed during the run. An error is one message and exit code 1.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stages.common import environment, settings
from stages.common.artifacts import ArtifactError
from stages.common.settings import SettingsError, read_yaml

PIPELINE = Path("dvc.yaml")
LOCKS = Path(".dvc/tmp/stages")
KEPT = Path(".dvc/tmp/kept")  # unfinished work, by stage and by fingerprint of its inputs
DISK = {  # what to do about errors of reading and writing
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "change its permissions"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "make it a folder"),  # such as a link to a disk that is not mounted
    errno.EROFS: "make it writable",
    errno.EIO: "check the disk",
}
PR_SET_PDEATHSIG = 1  # linux/prctl.h

Fingerprint = dict[str, Any]


class StageError(Exception):
    """The stage can't continue; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Declaration:
    """The entry of a stage in dvc.yaml, with its templates filled in."""

    deps: list[Path]
    params: list[str]  # keys of params.yaml
    packages: list[str]  # keys of environment.yaml
    others: dict[Path, list[str]] = field(default_factory=dict)  # other files in YAML → keys, only compared


@dataclass
class Stage:
    """A running stage: its settings, and where it writes."""

    settings: dict[str, Any]
    versions: dict[str, str]  # of the packages that dvc.yaml declares
    keep: Path  # folder for unfinished work; a later run with the same code, params, data and packages continues it
    outs: dict[Path, Path] = field(default_factory=dict)  # output → where it is built

    def __getitem__(self, key: str) -> Any:
        """The declared params `key`, such as `targets` or `variants.simple`; `StageError` if not declared."""
        if key not in self.settings:
            raise StageError(
                f"dvc.yaml does not declare the param {key!r} for this stage; it declares {list(self.settings)}"
            )
        return self.settings[key]

    def out(self, path: str) -> Path:
        """Where to build the output file or folder `path`; it moves to `path` when the stage succeeds."""
        target = Path(path)
        building = target.with_name(f".{target.name}.partial")
        _remove(building)  # left by a killed run
        self.outs[target] = building
        return building


@contextmanager
def stage(name: str, item: str | None = None, *, declaration: Declaration | None = None) -> Iterator[Stage]:
    """Run the body as the stage `name` of dvc.yaml, for the variant or test set `item`.

    Outputs from `Stage.out` appear together if the body succeeds and no input changed. `StageError`, `SettingsError`,
    `ArtifactError`, `EnvironmentDiffersError` and a full, read-only or broken disk end the process with a message and
    exit code 1. Work that is not in dvc.yaml passes its `declaration`.
    """
    die_with_parent()
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
            work = Stage(given, used, _kept(label, before))
            try:
                yield work
                _refuse_if_changed(before, fingerprint(declaration))
                for target, building in work.outs.items():
                    _remove(target)
                    building.replace(target)
            finally:
                for building in work.outs.values():
                    _remove(building)
            _remove(work.keep.parent)
            ended_well = True
    except (StageError, SettingsError, ArtifactError, environment.EnvironmentDiffersError) as error:
        print(f"{label}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in DISK:
            raise
        where, remedy = error.filename or Path.cwd(), DISK[error.errno]
        print(f"{label}: {where}: {error.strerror}; {remedy}, and run it again", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print(f"{label}: interrupted; finished work is kept, `dvc repro` continues from there", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        if not ended_well:
            _restore_tracked(name, item)


def item_of(text: str) -> str:
    """The variant or test set of a command line: `simple` as people type it, or `train@simple` from DVC.

    dvc.yaml passes the variable DVC_STAGE, in quotes: with `${key}`, the shell would parse the name.
    """
    return text.rpartition("@")[2]


def declared(name: str, item: str | None = None) -> Declaration:
    """Look up a stage in dvc.yaml; `StageError` for an unknown variant or test set lists those that exist."""
    settings.load()  # reports invalid params before templates need them
    entry, values = read_yaml(PIPELINE)["stages"][name], read_yaml(settings.PARAMS)
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
    """The state of the inputs: file → size and time; param → value. `StageError` if a file is missing.

    Hashes would not show that a file was edited, read, and then restored.
    """
    found: Fingerprint = {}
    for dep in declaration.deps:
        if not dep.exists():
            raise StageError(f"{dep}: an input of this stage is missing; run `dvc repro`")
        for path in sorted(dep.rglob("*")) if dep.is_dir() else [dep]:
            if path.is_file() and "__pycache__" not in path.parts:
                found[str(path)] = path.stat().st_size, path.stat().st_mtime_ns
    for file, keys in {settings.PARAMS: declaration.params, **declaration.others}.items():
        params = read_yaml(file)  # not validated: an error in another stage's params must not fail this one
        found |= {f"{file}: {key}": _lookup(params, key) for key in keys}
    versions = environment.read()
    found |= {f"{environment.ENVIRONMENT}: {name}": versions[name] for name in declaration.packages}
    return found


def _kept(label: str, inputs: Fingerprint) -> Path:
    """The folder for unfinished work on these inputs; work on other inputs is removed."""
    known = json.dumps(inputs, sort_keys=True, default=str)
    mine = KEPT / label / hashlib.sha256(known.encode()).hexdigest()[:16]
    for other in {*mine.parent.glob("*")} - {mine}:
        _remove(other)
    return mine


def _refuse_if_changed(before: Fingerprint, after: Fingerprint) -> None:
    """DVC hashes inputs after the command (its issue 11058), so it would record an edit that was not used."""
    moved = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if moved:
        raise StageError(f"{', '.join(moved)} changed while the stage ran; nothing was written, run `dvc repro` again")


def _refuse_code_of_another_checkout() -> None:
    """The environment of another clone may import that clone's code; DVC would record its results here."""
    for package in ("stages", "grayscale"):
        here, spec = Path(package).resolve(), find_spec(package)
        code = Path(str(spec and spec.origin)).resolve().parent
        if here.is_dir() and code != here:
            raise StageError(
                f"this is the code of {code.parent}, not of {here.parent}; run `make setup` here, activate its "
                "environment (`. .venv/bin/activate`), and unset PYTHONSAFEPATH and PYTHONPATH"
            )


def _restore_tracked(name: str, item: str | None) -> None:
    """Restore results in git that DVC deleted before a stage that then failed.

    `persist: true` in dvc.yaml would keep them, but DVC would then never restore the stage from its run cache.
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
            print(f"{', '.join(gone)}: deleted by DVC before the stage, restored from git", file=sys.stderr)


def _lookup(tree: Any, key: str) -> Any:
    """The value of a dotted key in nested dicts or settings; None if missing."""
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
    """Wait for other processes that run this stage, such as one whose DVC was killed."""
    try:
        LOCKS.mkdir(parents=True, exist_ok=True)
        opened = (LOCKS / f"{label}.lock").open("w")
    except OSError as error:
        raise StageError(f"{LOCKS} can't be written: {error.strerror}; run in a checkout of your own") from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{label}: waiting for another run of this stage", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)  # released by the kernel, even after a kill
        yield


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that no stage outlives its DVC."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
