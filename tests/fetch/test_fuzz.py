"""Whatever is damaged: a file is read or named, no process dies, and memory stays small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fetch.fuzz import COUNTS


@pytest.mark.long
@pytest.mark.parametrize("kind", COUNTS)
def test_damaged_files_by_the_hundred_are_read_or_named(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.fetch.fuzz", kind, str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-4000:]
    count, read, megabytes = map(int, ended.stdout.split()[-3:])
    assert count == COUNTS[kind]
    assert 0 < read < count
    assert megabytes < 1500
