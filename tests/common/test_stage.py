"""What a stage may read, when its outputs appear, and how errors are reported."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from stages.common import artifacts
from stages.common import stage as door
from stages.common.artifacts import ArtifactError
from stages.common.environment import EnvironmentDiffersError
from stages.common.settings import SettingsError
from stages.common.stage import StageError, stage
from tests.conftest import REPOSITORY

Capsys = pytest.CaptureFixture[str]
PIPELINE = """
    stages:
      work:
        cmd: python -m stages.work
        deps: [input, code.py]
        params:
          - targets
          - environment.yaml: [python, numpy]
        outs: [data/result]
        metrics:
          - metrics/a.json: {cache: false}
          - metrics/b.json: {cache: false}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = {name: (REPOSITORY / name).read_text() for name in ("params.yaml", "environment.yaml")}
    texts |= {"dvc.yaml": textwrap.dedent(PIPELINE), "code.py": "pass", "input/photo": "1"}
    for name, text in {**texts, "metrics/a.json": "old", "metrics/b.json": "old"}.items():
        artifacts.write_text(tmp_path / name, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(door, "die_with_parent", lambda: None)
    return tmp_path


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def keep_something() -> Path:
    """Run the stage so that it fails with unfinished work; return the folder of that work."""
    with pytest.raises(SystemExit), stage("work") as work:
        work.keep.mkdir(parents=True, exist_ok=True)
        (work.keep / "shard").write_text("done")
        raise StageError("no luck")
    return work.keep


def test_outputs_appear_when_the_stage_succeeds(folder: Path) -> None:
    os.mkfifo(folder / "input/pipe")  # hashing it would block
    (folder / "input/nowhere").symlink_to("gone")
    with stage("work") as work:
        out = work.out("data/result")
        out.mkdir(parents=True)
        (out / "a").write_text("new")
        assert not (folder / "data/result").exists()
    assert (folder / "data/result/a").read_text() == "new"
    assert [path.name for path in (folder / "data").iterdir()] == ["result"]


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (StageError("no luck"), 1, "no luck"),
        (ArtifactError("no luck"), 1, "no luck"),
        (SettingsError("no luck"), 1, "no luck"),
        (EnvironmentDiffersError("no luck"), 1, "no luck"),
        (OSError(errno.ENOSPC, "disk full", "data/x"), 1, "data/x: disk full; free some space, and run it again"),
        (OSError(errno.EROFS, "read-only", "data/x"), 1, "data/x: read-only; make it writable, and run it again"),
        (OSError(errno.EACCES, "refused", "data/x"), 1, "data/x: refused; change its permissions, and run it again"),
        (OSError(errno.EEXIST, "exists", "data"), 1, "data: exists; make it a folder, and run it again"),
        (KeyboardInterrupt(), 130, "interrupted; finished work is kept, `dvc repro` continues from there"),
    ],
)
def test_an_error_is_one_message_an_exit_code_and_no_output(
    folder: Path, capsys: Capsys, fault: BaseException, code: int, words: str
) -> None:
    with pytest.raises(SystemExit) as caught, stage("work") as work:
        work.out("data/result").mkdir(parents=True)
        raise fault
    assert caught.value.code == code
    assert capsys.readouterr().err == f"work: {words}\n"
    assert list((folder / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("input/photo", "1", "2"),
        ("code.py", "pass", "..."),
        ("params.yaml", "patch: 28", "patch: 32"),
        ("environment.yaml", "numpy: ", "numpy: 9"),
    ],
)
def test_an_input_edited_during_the_run_fails_the_stage_and_discards_unfinished_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys, name: str, old: str, new: str
) -> None:
    monkeypatch.setattr(door.environment, "verify", lambda _: None)
    kept = keep_something()
    with pytest.raises(SystemExit), stage("work") as work:
        assert work.keep == kept
        work.out("data/result").mkdir(parents=True)
        edit(name, old, new)
    assert re.search(f"{name}.* changed while the stage ran", capsys.readouterr().err)
    assert not (folder / "data/result").exists()
    assert keep_something() != kept
    assert not kept.exists()


def test_unfinished_work_survives_until_success_or_until_an_input_is_touched(folder: Path) -> None:
    old = keep_something()
    os.utime(folder / "code.py", ns=(0, (folder / "code.py").stat().st_mtime_ns + 1))
    kept = keep_something()
    assert kept != old  # another version may have been read in between
    edit("params.yaml", "megapixels: 4", "megapixels: 5")  # of another stage
    with stage("work") as work:
        assert work.keep == kept
        assert (work.keep / "shard").read_text() == "done"
        work.out("data/result").mkdir(parents=True)
        edit("params.yaml", "megapixels: 5", "megapixels: many")  # invalid, but of another stage
    assert (folder / "data/result").exists()
    assert list((folder / ".dvc/tmp/kept").iterdir()) == []


def test_metrics_that_dvc_deleted_are_restored_after_an_error(folder: Path, capsys: Capsys) -> None:
    for command in ("init --quiet", "add --all", "-c user.name=T -c user.email=t@example.org commit --quiet -m T"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    (folder / "metrics/a.json").unlink()
    (folder / "metrics/b.json").write_text("newer")
    with pytest.raises(SystemExit), stage("work"):
        raise StageError("no luck")
    assert (folder / "metrics/a.json").read_text() == "old"
    assert (folder / "metrics/b.json").read_text() == "newer"
    assert not (folder / "data").exists()
    assert "metrics/a.json: deleted by DVC before the stage, restored from git" in capsys.readouterr().err


def test_code_of_another_checkout_is_refused(folder: Path, capsys: Capsys) -> None:
    (folder / "stages").mkdir()
    with pytest.raises(SystemExit), stage("work"):
        raise AssertionError("the work began")
    message = capsys.readouterr().err
    assert f"this is the code of {REPOSITORY}, not of {folder}; run `make setup` here" in message
    assert message.count("\n") == 1


def test_a_python_without_the_packages_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pydantic' else find(name, *rest)\n"
    )
    command, environment = [sys.executable, "-m", "stages.report"], {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert re.match(rf"{sys.executable} is Python 3\..*: run `make setup`, then", ended.stderr)


def test_an_undeclared_param_can_not_be_read(folder: Path, capsys: Capsys) -> None:
    with pytest.raises(SystemExit), stage("work") as work:
        assert work["targets"].patch == 28
        _ = work["train"]
    assert "does not declare the param 'train'" in capsys.readouterr().err


def test_an_unknown_variant_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(StageError, match="no variant 'simpel'; it has simple,"):
        door.declared("train", "simpel")


def test_params_of_another_file_are_compared(folder: Path, capsys: Capsys) -> None:
    Path("studies.yaml").write_text("runs:\n  small: {variant: simple, seed: 2}\n  other: {variant: vae}\n")
    run = door.Declaration([Path("code.py")], ["variants.simple"], ["python"], {Path("studies.yaml"): ["runs.small"]})
    with stage("run", "small", declaration=run) as work:
        assert work["variants.simple"].network == "simple"
        edit("studies.yaml", "vae", "subpixel")  # of another run
    with pytest.raises(SystemExit), stage("run", "small", declaration=run):
        edit("studies.yaml", "seed: 2", "seed: 3")
    assert "studies.yaml: runs.small changed while the stage ran" in capsys.readouterr().err


def test_a_stage_waits_for_another_run_of_itself(folder: Path, capsys: Capsys) -> None:
    (folder / ".dvc/tmp/stages").mkdir(parents=True)
    with (folder / ".dvc/tmp/stages/work.lock").open("w") as straggler:
        fcntl.flock(straggler, fcntl.LOCK_EX)
        threading.Timer(0.5, lambda: fcntl.flock(straggler, fcntl.LOCK_UN)).start()
        began = time.monotonic()
        with stage("work"):
            assert time.monotonic() - began > 0.4
    assert capsys.readouterr().err == "work: waiting for another run of this stage\n"


def test_a_read_only_checkout_is_refused_in_one_line(folder: Path, capsys: Capsys) -> None:
    (folder / ".dvc").write_text("a file, so that no folder can be made, even by root")
    with pytest.raises(SystemExit), stage("work"):
        pass
    message = ".dvc/tmp/stages can't be written: Not a directory; run in a checkout of your own"
    assert capsys.readouterr().err == f"work: {message}\n"
