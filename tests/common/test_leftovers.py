"""What removed variants left is removed if dvc.lock has it byte for byte; anything else is left alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import leftovers
from tests.conftest import REPOSITORY


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models of `simple`, which params.yaml has, and of `gone`, as dvc.lock has both; and one that it never had."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    listing = json.dumps([{"md5": md5(b"weights"), "relpath": "model.keras"}]).encode()
    stages = {}
    for name in ("simple", "gone", "mine"):
        (tmp_path / f"data/models/{name}").mkdir(parents=True)
        (tmp_path / f"data/models/{name}/model.keras").write_bytes(b"weights")
        if name != "mine":
            outs = [{"path": f"data/models/{name}", "md5": f"{md5(listing)}.dir"}]
            stages[f"train@{name}"] = {"cmd": "", "outs": outs}
    YAML().dump({"stages": stages}, tmp_path / "dvc.lock")
    return tmp_path


def models_left(workspace: Path) -> list[str]:
    leftovers.remove()
    return sorted(path.name for path in (workspace / "data/models").iterdir())


def test_a_folder_of_a_removed_variant_is_removed_and_named(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models_left(workspace) == ["mine", "simple"]
    assert capsys.readouterr().out == "removed what no variant or test set owns any more: data/models/gone\n"


def test_a_folder_that_was_changed_since_is_left_alone(workspace: Path) -> None:
    (workspace / "data/models/gone/notes.txt").write_text("mine")
    assert models_left(workspace) == ["gone", "mine", "simple"]


def test_without_a_lock_nothing_happens(workspace: Path) -> None:
    (workspace / "dvc.lock").unlink()
    assert models_left(workspace) == ["gone", "mine", "simple"]
