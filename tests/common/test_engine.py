"""Engines give the same results and shards, in order; a killed worker is an error, and finished shards are kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

from stages.common import engine, shards
from stages.common.artifacts import ArtifactError
from stages.common.engine import Engine
from stages.common.settings import SettingsError
from stages.common.shards import Shard, place
from stages.common.stage import StageError
from tests import tasks
from tests.conftest import REPOSITORY


def local(workers: int) -> Engine:
    return Engine(engine="local", workers=workers, address="head:6379")


ONE, TWO = local(1), local(2)


def test_a_killed_worker_is_an_error_and_the_next_run_starts_new_workers(tmp_path: Path) -> None:
    jobs = [(number, str(tmp_path / "tries")) for number in range(6)]
    with pytest.raises(StageError, match=r"worker process was killed; .* lower `workers` in engine.yaml"):
        list(engine.run(tasks.killed_always, jobs, TWO))
    assert [square for square, _ in engine.run(tasks.square, range(3), TWO)] == [0, 1, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="uses prctl")
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


# === Shards ===


def finish(keep: Path, work: Any = tasks.noise, where: Engine = ONE, seeds: int = 6) -> list[Shard]:
    return list(shards.run(work, range(seeds), keep, where))


def content(found: list[Shard]) -> list[tuple[Any, bytes]]:
    return [(shard.facts, (shard.folder / "noise.npy").read_bytes()) for shard in found]


def tries(keep: Path) -> list[int]:
    return sorted(map(int, (keep.parent / "tries").read_text().split()))


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def test_one_and_two_workers_make_the_same_shards_and_finished_ones_are_not_made_again(keep: Path) -> None:
    one, two = finish(keep / "1" / "kept", seeds=4), finish(keep / "2" / "kept", where=TWO)
    again = finish(keep / "1" / "kept", where=TWO)
    assert content(one) == content(two)[:4]
    assert content(again) == content(finish(keep / "1" / "kept", where=TWO)) == content(two)
    assert tries(keep / "1" / "kept") == [shard.facts["seed"] for shard in two] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("where", [ONE, TWO])
def test_an_exception_keeps_finished_shards_and_no_partial_one(keep: Path, where: Engine) -> None:
    with pytest.raises(ArtifactError, match=r"^photo-3\.png: damaged") as caught:
        finish(keep, tasks.noise_or_fault, where)
    assert where == ONE or "in noise_or_fault" in str(caught.value.__cause__)  # the traceback of the worker
    before, finished = tries(keep), [int(path.parent.name) for path in keep.glob("0*/.done.json")]
    assert finished
    assert not (keep / "00003").exists()
    finish(keep)
    assert all(before.count(seed) == tries(keep).count(seed) == 1 for seed in finished)
    assert tries(keep).count(3) == 2


def test_a_killed_run_is_continued(keep: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stages.common import engine, shards; from tests import tasks\n"
        "where = engine.Engine(engine='local', workers=1, address='auto')\n"
        "list(shards.run(tasks.noise_or_kill, range(6), Path(sys.argv[1]), where))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(keep)], cwd=REPOSITORY, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(keep.glob(".00003.*.partial"))) == 1
    before, finished = tries(keep), [int(path.parent.name) for path in keep.glob("0*/.done.json")]
    assert finished
    found = finish(keep, tasks.noise_or_kill)
    assert content(found) == content(finish(tmp_path / "other" / "kept"))
    assert all(before.count(seed) == tries(keep).count(seed) == 1 for seed in finished)
    assert sorted(path.name for path in keep.iterdir()) == [f"{number:05}" for number in range(6)]


def test_a_damaged_or_incomplete_shard_is_made_again(keep: Path) -> None:
    first = content(finish(keep))
    with (keep / "00000/noise.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff" if first[0][1][-1] != 0xFF else b"\x00")  # same length, one byte
    (keep / "00001/noise.npy").unlink()
    (keep / "00002/.done.json").unlink()
    for number, text in {3: "{}", 4: "[1]", 5: '{"facts": {'}.items():
        (keep / f"0000{number}/.done.json").write_text(text)
    assert content(finish(keep)) == first
    assert tries(keep) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_placed_file_stays_in_its_shard(keep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shard,) = finish(keep, seeds=1)
    place(shard.folder / "noise.npy", tmp_path / "link.npy")
    monkeypatch.setattr("os.link", Mock(side_effect=OSError))
    place(shard.folder / "noise.npy", tmp_path / "copy.npy")
    for name in ("link.npy", "copy.npy"):
        assert (tmp_path / name).read_bytes() == (shard.folder / "noise.npy").read_bytes()
    finish(keep, seeds=1)
    assert tries(keep) == [0]


# === engine.yaml ===


def test_the_committed_file_runs_in_this_process_and_variables_override_it() -> None:
    given = {"ENGINE": "ray", "WORKERS": "5", "RAY_ADDRESS": "10.0.0.1:6379", "HOME": "/"}
    found = engine.load(given, REPOSITORY / engine.ENGINE)
    assert found == Engine(engine="ray", workers=5, address="10.0.0.1:6379")
    assert engine.load({"WORKERS": ""}, REPOSITORY / engine.ENGINE) == ONE  # make passes unset variables as empty


WHOLE = "engine: local\nworkers: 1\naddress: auto\n"


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        (WHOLE, {"WORKERS": "0"}, "WORKERS in the environment: workers: .* greater than or equal to 1 .it is 0."),
        (WHOLE, {"ENGINE": "dask"}, "ENGINE in the environment: engine: .* 'local' or 'ray' .it is 'dask'."),
        (WHOLE.replace("1", "1.5"), {"ENGINE": "ray"}, "engine.yaml: workers: "),
        (WHOLE.replace("1", "true"), {}, "engine.yaml: workers: .* valid integer .it is True."),
        (WHOLE + "engines: ray", {}, "engine.yaml: engines: unknown key"),
        ("- local", {}, "engine.yaml: "),
    ],
)
def test_an_invalid_value_is_named_with_its_key_and_its_file_or_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, environment: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    engine.ENGINE.write_text(text)
    with pytest.raises(SettingsError, match=f"^{message}"):
        engine.load(environment)


@pytest.mark.parametrize(
    ("cores", "given", "jobs"),
    [(2, (), "2"), (16, (), "4"), (2, ("ENGINE=ray",), "8"), (2, ("ENGINE=ray", "JOBS=3"), "3")],
)
def test_make_passes_the_engine_on_and_runs_several_clients_of_a_cluster(
    tmp_path: Path, cores: int, given: tuple[str, ...], jobs: str
) -> None:
    getconf = tmp_path / "getconf"  # a stand-in for a machine with so many cores
    getconf.write_text(f"#!/bin/sh\necho {cores}\n")
    getconf.chmod(0o755)
    show = 'show: ; @echo "$(JOBS) $$ENGINE $$WORKERS"'
    command = ["make", "--silent", "--eval", show, "show", "WORKERS=4", *given]
    unset = {name: value for name, value in os.environ.items() if name not in ("ENGINE", "WORKERS", "JOBS")}
    unset["PATH"] = os.pathsep.join([str(tmp_path), unset["PATH"]])
    shown = subprocess.run(command, cwd=REPOSITORY, env=unset, capture_output=True, text=True, check=True).stdout
    name = dict(word.split("=") for word in given).get("ENGINE", "")
    assert shown == f"{jobs} {name} 4\n"


# === Ray, without a cluster ===


@pytest.mark.parametrize(
    ("address", "mode", "words"),
    [
        ("auto", "token", "address is 'auto'; it must be host:port"),
        ("10.0.0.1:6379", "disabled", "set RAY_AUTH_MODE=token"),
        ("10.0.0.1:6379", "token", "make setup-ray"),
    ],
)
def test_a_cluster_needs_an_explicit_address_a_token_and_ray(
    monkeypatch: pytest.MonkeyPatch, address: str, mode: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(StageError, match=words):
        list(engine.run(tasks.square, range(2), Engine(engine="ray", workers=1, address=address)))
