"""Every command that the README shows is run here, in a copy, in the order in which it stands."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from stages.report import summary
from tests.conftest import REPOSITORY, Workspace

README = (REPOSITORY / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]


def test_the_commands_of_the_readme_work(workspace: Workspace) -> None:
    assert len(COMMANDS) > 10
    installed = Path(sys.prefix)
    if not (installed / ".dev-installed").exists():
        pytest.skip("this environment was not made by `make setup`")
    (workspace.folder / ".venv").symlink_to(installed)
    workspace.commit("A second commit, so that there is one to compare with")
    for command in COMMANDS:
        words = shlex.split(command)
        if words in (["make", "test"], ["make", "verify"]):
            continue  # this very test is run by the one; the other takes an hour, and its tests are in tests/verify
        workspace.run("bash", "-ec", command)


def test_the_results_table_of_the_readme_is_that_of_the_summary() -> None:
    measured = json.loads((REPOSITORY / "metrics/summary.json").read_text())
    shown = {
        name: (float(psnr), float(ssim))
        for name, psnr, ssim in re.findall(r"^\| `(\w+)` \|[^|]*\| ([\d.]+) \| ([\d.]+) \|", README, flags=re.MULTILINE)
    }
    assert shown == {
        name: (round(row["psnr"], 1), round(row["ssim"], 3))
        for name, row in {**measured["variants"], **measured["baselines"]}.items()
    }


def test_the_answer_of_the_readme_is_that_of_the_summary() -> None:
    measured = json.loads((REPOSITORY / "metrics/summary.json").read_text())
    assert summary.answer(measured) in " ".join(README.split())


def test_links_and_pictures_of_the_readme_exist() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert targets
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []
