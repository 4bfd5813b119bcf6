"""`python -m stages.check` refuses invalid params and unreadable inputs before any stage runs."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.check import check
from stages.common.settings import SettingsError
from tests.conftest import REPOSITORY, Workspace


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("fetch", {"source": "flickr"}, "params.yaml: fetch.source: unknown source 'flickr'; known are archive"),
        ("targets", {"conversion": "bt2020"}, "params.yaml: targets.conversion: unknown conversion 'bt2020'; known"),
    ],
)
def test_invalid_params_are_refused(
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


def test_files_that_dvc_cannot_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = YAML(typ="safe").load(REPOSITORY / "params.yaml")
    photographs = {"source": "folder", "inputs": "mine"}
    YAML(typ="safe").dump(
        {**params, "test_sets": {"mine": photographs}, "fetch": photographs}, tmp_path / "params.yaml"
    )
    Path("mine/deep").mkdir(parents=True)
    Path("mine/ä b.png").touch()
    Path("mine/linked.png").symlink_to("ä b.png")
    Path("mine/folder").symlink_to("deep")
    check()
    os.mkfifo("mine/deep/pipe.png")
    os.mkfifo("mine/.hidden")
    Path("mine/zero.png").symlink_to("/dev/zero")
    Path("mine/nowhere.png").symlink_to("gone.png")
    Path("mine/loop.png").symlink_to("loop.png")
    Path(os.fsdecode(b"mine/latin-\xe9\x1b.png")).touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("mine/door")
        with pytest.raises(SettingsError) as caught:
            check()
    assert str(caught.value).splitlines() == [
        "fetch.inputs: DVC can't read all of mine; move or rename:",
        "  .hidden: a FIFO, a socket or a device",
        "  deep/pipe.png: a FIFO, a socket or a device",
        "  door: a FIFO, a socket or a device",
        "  latin-\\xe9\\x1b.png: its name is not UTF-8",
        "  loop.png: a link to nowhere, or to no file or folder",
        "  nowhere.png: a link to nowhere, or to no file or folder",
        "  zero.png: a link to nowhere, or to no file or folder",
    ]


NAMES = ("x; touch f", "$(touch f)", "`touch f`", "x' \" && touch f #", "-h", "x\ntouch f")


def test_no_name_in_params_yaml_reaches_the_shell(tmp_path: Path) -> None:
    """Plain `dvc repro` runs the commands of dvc.yaml without `stages.check`."""
    pipeline = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["stages"]
    groups = {name: entry["do"] for name, entry in pipeline.items() if "foreach" in entry}
    assert {do["cmd"].removesuffix(' "$DVC_STAGE"') for do in groups.values()} == {
        *("python -m stages.fetch", "python -m stages.train", "python -m stages.evaluate"),
        "python -m stages.evaluate.test_sets",
    }
    stages = {"stages": {"fetch_set": {"foreach": "${names}", "do": {"cmd": groups["fetch_set"]["cmd"]}}}}
    YAML(typ="safe").dump(stages, tmp_path / "dvc.yaml")
    YAML(typ="safe").dump({"names": dict.fromkeys(NAMES, 1)}, tmp_path / "params.yaml")
    workspace = Workspace(tmp_path)
    workspace.run("dvc", "init", "--no-scm", "--quiet")
    ended = workspace.run("dvc", "repro", "--keep-going", ok=False, PYTHONPATH=str(REPOSITORY))
    assert ended.stderr.count("params.yaml: fetch: missing") == len(NAMES)  # the message of the stage itself
    assert not (tmp_path / "f").exists()
