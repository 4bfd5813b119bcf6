"""The door: what a stage may see, when its outputs appear, and how faults are told."""

import fcntl
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from stages.common import artifacts
from stages.common import stage as door
from stages.common.artifacts import ArtifactError
from stages.common.environment import EnvironmentDiffersError
from stages.common.settings import SettingsError
from stages.common.stage import StageError, stage
from tests.conftest import REPOSITORY

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
    monkeypatch.setattr(door, "_die_with_dvc", lambda: None)
    return tmp_path


def edit(path: Path) -> None:
    """Change a patch size, a version or whatever stands there."""
    text = path.read_text()
    edited = text.replace("patch: 28", "patch: 32").replace("numpy: ", "numpy: 9")
    path.write_text(edited if edited != text else text + " ")


def keep_something() -> Path:
    """Run the stage as if it failed with a part of its work done; the folder where that is kept."""
    with pytest.raises(SystemExit), stage("work") as work:
        work.keep.mkdir(parents=True, exist_ok=True)
        (work.keep / "shard").write_text("done")
        raise StageError("no luck")
    return work.keep


def test_outputs_appear_when_the_stage_ends_well(folder: Path) -> None:
    os.mkfifo(folder / "input/pipe")  # which can't be hashed
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
        *(
            (kind("no luck"), 1, "no luck")
            for kind in (StageError, ArtifactError, SettingsError, EnvironmentDiffersError)
        ),
        (KeyboardInterrupt(), 130, "interrupted; what was finished is kept, `dvc repro` goes on from there"),
    ],
)
def test_a_fault_is_one_message_an_exit_code_and_no_output(
    folder: Path, capsys: pytest.CaptureFixture[str], fault: BaseException, code: int, words: str
) -> None:
    with pytest.raises(SystemExit) as caught, stage("work") as work:
        work.out("data/result").mkdir(parents=True)
        raise fault
    assert caught.value.code == code
    assert capsys.readouterr().err == f"work: {words}\n"
    assert list((folder / "data").iterdir()) == []


def test_an_undeclared_param_can_not_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), stage("work") as work:
        assert work["targets"].patch == 28
        _ = work["train"]
    assert "does not declare the param 'train'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["input/photo", "code.py", "params.yaml", "environment.yaml"])
def test_an_input_edited_during_the_run_fails_the_stage_and_what_was_kept_is_dropped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr(door.environment, "verify", lambda _: None)
    kept = keep_something()
    with pytest.raises(SystemExit), stage("work") as work:
        assert work.keep == kept
        work.out("data/result").mkdir(parents=True)
        edit(folder / name)
    message = capsys.readouterr().err
    assert name in message
    assert "changed while the stage ran" in message
    assert not (folder / "data/result").exists()
    assert keep_something() != kept
    assert not kept.exists()


def test_what_a_failed_try_kept_is_there_for_the_next_unless_an_edit_was_undone_and_gone_after_success(
    folder: Path,
) -> None:
    old = keep_something()
    os.utime(folder / "code.py", ns=(0, (folder / "code.py").stat().st_mtime_ns + 1))
    kept = keep_something()
    assert kept != old  # what stood there in between may have been read
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("picture_rows: 3", "picture_rows: 4"))  # another stage's
    with stage("work") as work:
        assert work.keep == kept
        assert (work.keep / "shard").read_text() == "done"
        work.out("data/result").mkdir(parents=True)
        params.write_text(params.read_text().replace("picture_rows: 4", "picture_rows: many"))  # costs no work of ours
    assert (folder / "data/result").exists()
    assert list((folder / ".dvc/tmp/kept").iterdir()) == []


def test_metrics_that_dvc_deleted_are_back_after_a_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("init --quiet", "add --all", "-c user.name=T -c user.email=t@example.org commit --quiet -m T"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    (folder / "metrics/a.json").unlink()
    (folder / "metrics/b.json").write_text("newer")
    with pytest.raises(SystemExit), stage("work"):
        raise StageError("no luck")
    assert (folder / "metrics/a.json").read_text() == "old"
    assert (folder / "metrics/b.json").read_text() == "newer"
    assert not (folder / "data").exists()
    assert "metrics/a.json: DVC had deleted this for the stage; it is again as in git" in capsys.readouterr().err


def test_code_of_another_checkout_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "stages").mkdir()
    with pytest.raises(SystemExit), stage("work"):
        raise AssertionError("the work began")
    message = capsys.readouterr().err
    assert f"this is the code of {REPOSITORY}, not of {folder}; run `make setup` here" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("missing", ["pandas", "pydantic"])
def test_a_python_without_the_packages_is_told_in_one_sentence(tmp_path: Path, missing: str) -> None:
    """As where another Python is the first on the path."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == '{missing}' else find(name, *rest)\n"
    )
    command, environment = [sys.executable, "-m", "stages.report"], {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert f"{sys.executable} is Python 3" in told.stderr
    assert "run `make setup`, then `. .venv/bin/activate`" in told.stderr


def test_an_unknown_stage_or_variant_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(StageError, match="no stage 'tran'; it has fetch, fetch_set, targets"):
        door.declared("tran")
    with pytest.raises(StageError, match="no variant 'simpel'; it has simple,"):
        door.declared("train", "simpel")


def test_params_of_another_file_are_handed_over_and_watched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of work that is no stage of dvc.yaml."""
    params = folder / "studies.yaml"
    params.write_text("runs:\n  small: {variant: simple, seed: 2}\n  other: {variant: vae}\n")
    run = door.Declaration([Path("code.py")], ["variants.simple"], ["python"], {Path("studies.yaml"): ["runs.small"]})
    with stage("run", "small", declaration=run) as work:
        assert work["runs.small"] == {"variant": "simple", "seed": 2}
        assert work["variants.simple"].network == "simple"
        params.write_text(params.read_text().replace("vae", "subpixel"))  # another run's
    with pytest.raises(SystemExit), stage("run", "small", declaration=run):
        params.write_text(params.read_text().replace("seed: 2", "seed: 3"))
    assert "studies.yaml: runs.small changed while the stage ran" in capsys.readouterr().err


def test_a_stage_waits_for_another_run_of_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".dvc/tmp/stages").mkdir(parents=True)
    with (folder / ".dvc/tmp/stages/work.lock").open("w") as straggler:
        fcntl.flock(straggler, fcntl.LOCK_EX)
        threading.Timer(0.5, lambda: fcntl.flock(straggler, fcntl.LOCK_UN)).start()
        began = time.monotonic()
        with stage("work"):
            assert time.monotonic() - began > 0.4
    assert "another run of this stage is at work" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a parent's death is Linux's")
def test_a_stage_dies_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys, time; from stages.common import stage\n"
        "if len(sys.argv) > 1: stage._die_with_dvc(); print(flush=True); time.sleep(60)\n"
        "child = subprocess.Popen([*sys.orig_argv, 'child'], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); child.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait()
    child.wait(timeout=10)


@pytest.mark.parametrize(
    ("books", "gone"),
    [
        ('{"read": {}, "write": {"data": {"pid": PARENT, "cmd": "dvc repro"}}}', False),
        ('{"read": {}, "write": {"data": {"pid": 4194305, "cmd": "dvc repro"}}}', True),  # above Linux's highest
        ('{"read": {}, "write": {}}', False),
        ('{"read": {', False),
        ("", False),
    ],
)
def test_a_stage_knows_whether_its_dvc_was_killed_before_it_could_ask(folder: Path, books: str, gone: bool) -> None:
    assert not door._dvc_is_gone()
    (folder / ".dvc/tmp").mkdir(parents=True)
    (folder / ".dvc/tmp/rwlock").write_text(books.replace("PARENT", str(os.getppid())))
    assert door._dvc_is_gone() == gone


def test_a_checkout_that_can_not_be_written_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".dvc").write_text("no folder, as nobody can make one in a read-only checkout")
    with pytest.raises(SystemExit), stage("work"):
        pass
    message = ".dvc/tmp/stages can't be written: Not a directory; run in a checkout of your own"
    assert capsys.readouterr().err == f"work: {message}\n"
