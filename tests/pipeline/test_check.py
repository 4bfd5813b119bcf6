"""`python -m stages.check` refuses, before any work, what a stage would refuse."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.check import check
from stages.common.settings import SettingsError
from stages.targets import __main__ as targets
from tests.conftest import REPOSITORY, Workspace


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("fetch", {"source": "flickr"}, "params.yaml: fetch.source: unknown source 'flickr'; known are archive"),
        ("test_sets", {"kodak": {"source": "folder", "inputs": "x", "mate": 1}}, "params.yaml: test_sets.kodak.mate:"),
        ("targets", {"conversion": "bt2020"}, "params.yaml: targets.conversion: unknown conversion 'bt2020'; known"),
        ("targets", {"patch": 30}, "params.yaml: targets.patch: Input should be a multiple of 4"),
    ],
)
def test_what_a_stage_would_refuse_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, changes: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    params = YAML(typ="safe").load(REPOSITORY / "params.yaml")
    YAML(typ="safe").dump(params, tmp_path / "params.yaml")
    check()
    YAML(typ="safe").dump({**params, section: {**params[section], **changes}}, tmp_path / "params.yaml")
    with pytest.raises(SettingsError) as caught:
        check()
    assert str(caught.value).startswith(words)


def test_the_stage_itself_refuses_an_unknown_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "environment.yaml", "engine.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        "stages: {targets: {cmd: x, deps: [], params: [targets, environment.yaml: [python]], outs: [data/pairs]}}"
    )
    text = (tmp_path / "params.yaml").read_text().replace("conversion: bt601", "conversion: bt2020")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SystemExit):
        targets.main()
    assert "unknown conversion 'bt2020'; known are bt601, bt709" in capsys.readouterr().err


NAMES = ("x; touch f", "$(touch f)", "`touch f`", "x' \" && touch f #", "-h", "x\ntouch f")


@pytest.mark.parametrize("group", ["train", "evaluate", "fetch_set", "evaluate_set"])
def test_the_shell_sees_no_name_of_params_yaml(tmp_path: Path, group: str) -> None:
    """Plain `dvc repro` runs the commands of dvc.yaml before any check of ours."""
    command = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["stages"][group]["do"]["cmd"]
    stages = {"stages": {group: {"foreach": "${names}", "do": {"cmd": command}}}}
    YAML(typ="safe").dump(stages, tmp_path / "dvc.yaml")
    YAML(typ="safe").dump({"names": dict.fromkeys(NAMES, 1)}, tmp_path / "params.yaml")
    workspace = Workspace(tmp_path)
    workspace.run("dvc", "init", "--no-scm", "--quiet")
    ended = workspace.run("dvc", "repro", "--keep-going", ok=False, PYTHONPATH=str(REPOSITORY))
    assert ended.stderr.count("params.yaml: fetch: missing") == len(NAMES)  # each stage was reached, and refused that
    assert not (tmp_path / "f").exists()
