"""Engines: the same results in the same order everywhere, and a killed worker is told of, never awaited."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stages.common import engine
from stages.common.artifacts import ArtifactError
from stages.common.engine import Engine
from stages.common.settings import SettingsError
from stages.common.stage import StageError
from tests import tasks
from tests.conftest import REPOSITORY


def local(workers: int) -> Engine:
    return Engine(engine="local", workers=workers, address="head:6379")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks_whoever_did_them(workers: int) -> None:
    numbers, processes = zip(*engine.run(tasks.square, range(11), local(workers)), strict=True)
    assert numbers == tuple(number**2 for number in range(11))
    assert (os.getpid() in processes) == (workers == 1)
    assert list(engine.run(tasks.square, [3], local(workers))) == [(9, os.getpid())]
    assert list(engine.run(tasks.square, [], local(workers))) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_arrives_as_itself(workers: int) -> None:
    """From processes, it may come before the results before it."""
    with pytest.raises(ArtifactError, match=r"^photo-3\.png: damaged") as caught:
        list(engine.run(tasks.faulty, range(8), local(workers)))
    assert workers == 1 or "in faulty" in str(caught.value.__cause__)  # where in the worker


def test_a_killed_worker_is_an_error_and_the_next_run_has_new_ones(tmp_path: Path) -> None:
    jobs = [(number, str(tmp_path / "tries")) for number in range(6)]
    with pytest.raises(StageError, match=r"worker process was killed; .* lower `workers` in engine.yaml"):
        list(engine.run(tasks.killed_always, jobs, local(2)))
    assert [square for square, _ in engine.run(tasks.square, range(3), local(2))] == [0, 1, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a parent's death is Linux's")
def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from stages.common import engine; from tests import tasks\n"
        "where = engine.Engine(engine='local', workers=2, address='head:6379')\n"
        "list(engine.run(tasks.endless, sys.argv[1:], where))"
    )
    notes = [tmp_path / "1", tmp_path / "2"]
    parent = subprocess.Popen([sys.executable, "-c", code, *map(str, notes)], cwd=REPOSITORY)
    try:
        assert tasks.wait_until(lambda: all(note.exists() for note in notes))
        workers = [child for child in psutil.Process(parent.pid).children() if "popen_loky" in str(child.cmdline())]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), alive) == (2, [])


# === engine.yaml ===


def test_the_committed_file_computes_in_this_process_and_the_environment_overrules_it() -> None:
    said = {"ENGINE": "ray", "WORKERS": "5", "RAY_ADDRESS": "10.0.0.1:6379", "HOME": "/"}
    found = engine.load(said, REPOSITORY / engine.ENGINE)
    assert found == Engine(engine="ray", workers=5, address="10.0.0.1:6379")
    assert engine.load({"WORKERS": ""}, REPOSITORY / engine.ENGINE) == local(1)  # as make hands on what is not set


WHOLE = "engine: local\nworkers: 1\naddress: auto\n"


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        (WHOLE, {"WORKERS": "0"}, "WORKERS in the environment: workers: .* greater than or equal to 1 .it is 0."),
        (WHOLE, {"WORKERS": "all"}, "WORKERS in the environment: workers: .* valid integer .it is 'all'."),
        (WHOLE, {"ENGINE": "dask"}, "ENGINE in the environment: engine: .* 'local' or 'ray' .it is 'dask'."),
        (WHOLE.replace("1", "1.5"), {"ENGINE": "ray"}, "engine.yaml: workers: "),
        (WHOLE.replace("auto", "''"), {}, "engine.yaml: address: "),
        (WHOLE + "engines: ray", {}, "engine.yaml: engines: unknown key; allowed are engine, workers, address"),
        ("- local", {}, "engine.yaml: "),
        ("engine: [", {}, "engine.yaml: not valid YAML"),
        (None, {}, "engine.yaml: not found; run from the top of the repository"),
    ],
)
def test_a_fault_names_its_file_or_variable_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, environment: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        engine.ENGINE.write_text(text)
    with pytest.raises(SettingsError, match=f"^{message}"):
        engine.load(environment)


@pytest.mark.parametrize(
    ("cores", "said", "jobs"),
    [(2, (), "2"), (16, (), "4"), (2, ("ENGINE=ray",), "8"), (2, ("ENGINE=ray", "JOBS=3"), "3")],
)
def test_make_hands_the_engine_on_and_runs_several_clients_of_a_cluster(
    tmp_path: Path, cores: int, said: tuple[str, ...], jobs: str
) -> None:
    getconf = tmp_path / "getconf"  # of a machine with so many cores
    getconf.write_text(f"#!/bin/sh\necho {cores}\n")
    getconf.chmod(0o755)
    show = 'show: ; @echo "$(JOBS) $$ENGINE $$WORKERS"'
    command = ["make", "--silent", "--eval", show, "show", "WORKERS=4", *said]
    unset = {name: value for name, value in os.environ.items() if name not in ("ENGINE", "WORKERS", "JOBS")}
    unset["PATH"] = os.pathsep.join([str(tmp_path), unset["PATH"]])
    shown = subprocess.run(command, cwd=REPOSITORY, env=unset, capture_output=True, text=True, check=True).stdout
    name = dict(word.split("=") for word in said).get("ENGINE", "")
    assert shown == f"{jobs} {name} 4\n"


# === Ray, where there is none ===


def test_without_ray_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(StageError, match="make setup-ray"):
        list(engine.run(tasks.square, range(2), Engine(engine="ray", workers=1, address="head:6379")))


def test_what_one_process_does_not_need_is_not_imported() -> None:
    code = (
        "import sys; from stages.common import engine\n"
        "where = engine.Engine(engine='local', workers=1, address='head:6379')\n"
        "print(list(engine.run(abs, [1], where)), {'joblib', 'ray'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout == "[1] set()\n"


@pytest.mark.parametrize(
    ("address", "mode", "words"),
    [
        ("auto", "token", "address is 'auto'; it must be host:port"),
        ("10.0.0.1:6379", "", "set RAY_AUTH_MODE=token"),
        ("10.0.0.1:6379", "disabled", "set RAY_AUTH_MODE=token"),
    ],
)
def test_no_token_goes_to_an_address_that_others_name_and_none_is_done_without(
    monkeypatch: pytest.MonkeyPatch, address: str, mode: str, words: str
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(StageError, match=words):
        list(engine.run(tasks.square, range(2), Engine(engine="ray", workers=1, address=address)))
