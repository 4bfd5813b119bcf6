"""A file of DVC that a kill cut off stops nobody; a whole one is left alone."""

from __future__ import annotations

import pytest

from tests.conftest import Workspace


@pytest.mark.parametrize("cut_off", ["", '{"read": {"'])
def test_a_cut_off_file_is_removed(rebuilt: Workspace, cut_off: str) -> None:
    books = rebuilt.folder / ".dvc/tmp/rwlock"
    books.write_text(cut_off)
    assert "JSON structure is corrupted" in rebuilt.run("dvc", "repro", "--force", "fetch", ok=False).stderr
    assert "removed it" in rebuilt.run("python", "-m", "tools.recover").stdout
    assert rebuilt.stages_run() == []


def test_a_whole_file_stays(rebuilt: Workspace) -> None:
    books = rebuilt.folder / ".dvc/tmp/rwlock"
    books.write_text('{"read": {}, "write": {}}')
    assert rebuilt.run("python", "-m", "tools.recover").stdout == ""
    assert books.exists()
