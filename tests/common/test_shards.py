"""Shards are the same on every engine, and a finished shard is made once, even after a kill."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from stages.common import shards
from stages.common.artifacts import ArtifactError
from stages.common.engine import Engine
from stages.common.shards import Shard, place
from tests import tasks
from tests.conftest import REPOSITORY

HERE = Engine(engine="local", workers=1, address="auto")
TWO = Engine(engine="local", workers=2, address="auto")


def finish(keep: Path, work: Any = tasks.noise, where: Engine = HERE, seeds: int = 6) -> list[Shard]:
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
    again = finish(keep / "1" / "kept")
    assert content(one) == content(two)[:4]
    assert content(again) == content(two)
    assert tries(keep / "1" / "kept") == [shard.facts["seed"] for shard in two] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("where", [HERE, TWO])
def test_an_exception_keeps_finished_shards_and_no_partial_one(keep: Path, where: Engine) -> None:
    with pytest.raises(ArtifactError, match=r"^photo-3\.png: damaged") as caught:
        finish(keep, tasks.noise_or_fault, where)
    assert where == HERE or "in noise_or_fault" in str(caught.value.__cause__)  # the traceback of the worker
    before, finished = tries(keep), [int(path.parent.name) for path in keep.glob("0*/done.json")]
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
    before, finished = tries(keep), [int(path.parent.name) for path in keep.glob("0*/done.json")]
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
    (keep / "00002/done.json").unlink()
    for number, text in {3: "{}", 4: "[1]", 5: '{"facts": {'}.items():
        (keep / f"0000{number}/done.json").write_text(text)
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
