"""Shared fixtures: a small real run of the whole pipeline, and tiny patch sets."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.formats.patches import PatchSet
from tests import forked, samples

REPOSITORY = Path(__file__).resolve().parents[1]
OPENED = Path(__file__).with_name("opened")  # on PYTHONPATH, logs the files that stages open
LONG_FOLDERS = ("scale", "team")  # their tests start servers, or a cluster
VARIANTS = ("simple", "subpixel")  # of the shared workspace
KEPT = 3  # rebuilds, the newest
INSTALLED = "-- RUNTIME= REMOTES= DEV= JOBS=1"  # for MAKEFLAGS: install nothing, start DVC less often
SURROUNDINGS = {"DVC_NO_ANALYTICS": "1", "NO_PROXY": "127.0.0.1", "PYTHONFAULTHANDLER": "1"}  # a crash leaves a word


def pytest_configure() -> None:
    """Find the commands of this environment, also below `make`; no deadline for examples of hypothesis."""
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    for name in ("MAKELEVEL", "MAKEFLAGS"):
        os.environ.pop(name, None)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests of servers and clusters as long. Run one file that needs the rebuild first, the others last."""
    for item in items:
        if item.path.parent.name in LONG_FOLDERS:
            item.add_marker("long")

    def needs_rebuild(item: pytest.Item) -> bool:
        return "first_rebuild" in getattr(item, "fixturenames", ())

    first = next((item.path for item in items if needs_rebuild(item) and item.get_closest_marker("long") is None), None)
    rebuilds = {item.path for item in items if needs_rebuild(item)}
    items.sort(key=lambda item: 0 if item.path == first else 2 if item.path in rebuilds else 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr == "not long":
        terminalreporter.write_line(
            "Left to `make test-all`: real servers (S3, SSH, WebDAV), a Ray cluster, every command of README.md, kills,"
            " and rebuilds in another place."
        )


def tracked_files() -> list[str]:
    """The files that git would commit, relative to the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if (REPOSITORY / name).is_file()]


class Workspace:
    """A folder with a git and DVC repository, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, **SURROUNDINGS, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, ok: bool = True, **environment: Any) -> subprocess.CompletedProcess[str]:
        """Run a command; unless `ok` is false, it must exit with 0."""
        if command[0] == "dvc" and type(self) is Workspace:  # a subclass may be another user
            result = forked.dvc(command, self.folder, {**os.environ, **SURROUNDINGS, **environment})
        else:
            process = self.start(*command, **environment)
            output, errors = process.communicate()
            result = subprocess.CompletedProcess(command, process.returncode, output, errors)
        if ok:
            assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
        return result

    def stages_run(self, *command: str, **environment: Any) -> list[str]:
        """The stages that `dvc repro` ran, without those skipped or restored from the cache."""
        return stages_of(self.run("dvc", "repro", *command, **environment).stdout)

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def keep_variants(self, *names: str) -> None:
        """Remove all other variants from params.yaml."""
        params = YAML(typ="safe").load(self.folder / "params.yaml")
        self.edit_params(variants={name: params["variants"][name] for name in names})

    def edit_params(self, **changes: object) -> None:
        """Set keys of params.yaml; a double underscore steps into a section: `train__recipe__budget=1`."""
        yaml = YAML()
        path = self.folder / "params.yaml"
        params = yaml.load(path)
        for key, value in changes.items():
            *sections, last = key.split("__")
            section = params
            for part in sections:
                section = section[part]
            section[last] = value
        yaml.dump(params, path)

    def copy(self, folder: Path) -> "Workspace":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workspace(folder)


def stages_of(output: str) -> list[str]:
    """The stages that DVC says that it runs, or would run."""
    return re.findall(r"^Running stage '(.+?)'", output, flags=re.MULTILINE)


def repository_copy(folder: Path) -> Workspace:
    """The repository's files as git would commit them, in a new repository without data or cache."""
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    workspace = Workspace(folder)
    workspace.run("git", "init", "--quiet", "--initial-branch=main")
    workspace.run("git", "config", "user.name", "Test")
    workspace.run("git", "config", "user.email", "test@example.org")
    return workspace


def small_workspace(folder: Path) -> Workspace:
    """A copy of the repository with six tiny photographs, and `VARIANTS` that train for one epoch."""
    workspace = repository_copy(folder)
    for split, seeds in {"train": range(3), "validation": range(3, 4), "test": range(4, 6)}.items():
        samples.write_leaves(folder / "photographs" / split, seeds)
    (folder / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(folder / "metrics/scores", ignore_errors=True)  # those of all variants
    yaml = YAML(typ="safe")
    first, run = next(iter(yaml.load(folder / "studies.yaml")["runs"].items()))
    yaml.dump({"runs": {first: run}}, folder / "studies.yaml")
    workspace.keep_variants(*VARIANTS)
    source = {"source": "folder", "inputs": "photographs", "domain": "leaves", "matte": [255, 255, 255], "strict": True}
    workspace.edit_params(
        fetch={**source, "split": {"by": "subfolder", "validation": 0, "test": 0}},
        train__recipe__budget=1,
        train__recipe__warmup=0,
        variants__subpixel__budget=1,
    )
    return workspace


@pytest.fixture(autouse=True)
def single_precision() -> Iterator[None]:
    """Reset the precision of Keras, which a stage sets for the rest of its process."""
    yield
    if "keras" in sys.modules:
        import keras

        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def made_once(top: Path, name: str, make: Callable[[Path], Workspace]) -> Workspace:
    """What `make` builds in `top / name`, once for all test processes; the others wait. It is read-only."""
    with (top / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (top / f"{name}.done").exists():
            return Workspace(top / name)
        shutil.rmtree(top / name, ignore_errors=True)  # left by a killed run
        workspace = make(top / name)
        (top / f"{name}.done").touch()
    return workspace


@pytest.fixture(scope="session")
def of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by the processes of this run."""
    top = tmp_path_factory.getbasetemp()
    return top.parent if "PYTEST_XDIST_WORKER" in os.environ else top


@pytest.fixture(scope="session")
def first_rebuild(pytestconfig: pytest.Config) -> Workspace:
    """A committed `small_workspace` after `make repro`, read-only; kept for later runs with the same files.

    Beside it, `opened.tsv` has a line, stage and path, for every file that a stage opened.
    """
    cache = pytestconfig.cache.mkdir("rebuild")
    files = [[name, (REPOSITORY / name).read_bytes()] for name in tracked_files()]
    top = cache / hashlib.sha256(repr([sys.version, files]).encode()).hexdigest()[:16]
    top.mkdir(exist_ok=True)

    def make(folder: Path) -> Workspace:
        for old in sorted(cache.iterdir(), key=lambda kept: kept.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old)
        workspace = small_workspace(folder)
        opened: dict[str, Any] = {"PYTHONPATH": str(OPENED), "OPENED_FILES": str(folder.with_name("opened.tsv"))}
        workspace.run("make", "repro", "JOBS=2", "RUNTIME=", **opened)
        workspace.commit("Rebuild on leaves")
        return workspace

    return made_once(top, "first_rebuild", make)


@pytest.fixture(scope="session")
def rebuilt(first_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of `first_rebuild` for this process, which tests must not change."""
    return first_rebuild.copy(tmp_path_factory.mktemp("rebuilt") / "workspace")


@pytest.fixture
def workspace(rebuilt: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return rebuilt.copy(tmp_path / "workspace")


def close_folder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make folders of that name unreadable, even for root."""
    true_scan = os.scandir

    def scan(path: str) -> Any:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", path)
        return true_scan(path)

    monkeypatch.setattr(os, "scandir", scan)


@pytest.fixture(scope="session")
def patch_set(tmp_path_factory: pytest.TempPathFactory) -> PatchSet:
    """48 smooth random patches of 12 pixels, in shards of 20."""
    rng = np.random.default_rng(7)
    colour = rng.integers(0, 256, (48, 3, 3, 3)).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    gray = (colour @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)[..., None]
    index = pd.DataFrame({"photo": "noise", "domain": "everyday", "row": 0, "column": np.arange(48)})
    return samples.write_patches(tmp_path_factory.mktemp("patches"), index, colour, gray, shards=[20, 20, 8])
