"""Every command that the README shows is run here, in a copy, in the order in which it first stands."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import settings
from tests import leaves
from tests.conftest import REPOSITORY, Workspace

README = (REPOSITORY / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]

WRITTEN = ("photo.gray.png", "photo-16-bit.tif", "gray/walk 0/leaves-001.gray.png", "subpixel.onnx")  # by `grayscale`


def test_the_commands_of_the_readme_work(workspace: Workspace) -> None:
    assert len(COMMANDS) > 10
    installed = Path(sys.prefix)
    if not (installed / ".dev-installed").exists():
        pytest.skip("this environment was not made by `make setup`")
    (workspace.folder / ".venv").symlink_to(installed)
    workspace.commit("A second commit, so that there is one to compare with")
    leaves.write(workspace.folder / "holiday", range(2))
    shutil.copy(workspace.folder / "holiday/walk 0/leaves-000.jpg", workspace.folder / "photo.jpg")
    for command in dict.fromkeys(COMMANDS):  # each once: a second `make repro` has nothing to do, either
        words = shlex.split(command)
        if words in (["make", "test"], ["make", "verify"], ["make", "study"]):
            continue  # this very test is run by the first; the others take an hour, and have tests of their own
        if words == ["make", "repro", "JOBS=2"]:
            continue  # by it the fixture has really built this workspace
        start = time.monotonic()
        workspace.run("bash", "-ec", command, PYTHONPATH=str(workspace.folder))  # not the clone that is installed
        print(f"{time.monotonic() - start:6.1f} s  {command}")
    assert all((workspace.folder / name).is_file() for name in WRITTEN)


def test_the_settings_that_the_readme_shows_are_valid() -> None:
    yaml = YAML(typ="safe")
    blocks = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        settings.check({**yaml.load(REPOSITORY / "params.yaml"), **yaml.load(block)}, "README.md")


def test_links_and_pictures_of_the_readme_exist() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []
