"""A pipeline with stand-ins for stages, and people who type the commands of docs/team.md."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import INSTALLED, REPOSITORY, Workspace, made_once, small_workspace, stages_of

MANUAL = (REPOSITORY / "docs/team.md").read_text()


def walk(section: str) -> list[tuple[str, str]]:
    """The commands of a section of docs/team.md: (`ada` or `ben`, command line)."""
    text = MANUAL.split(f"\n## {section}\n")[1].split("\n## ")[0]
    fences = re.findall(r"^```sh (ada|ben)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(person, line) for person, lines in fences for line in lines.splitlines()]


def typed(workspace: Workspace, command: str) -> str:
    """Run a command line in a clone; its output."""
    site = str(workspace.folder.with_name(f"{workspace.folder.name}-site-cache"))
    return workspace.run("bash", "-c", command, MAKEFLAGS=INSTALLED, DVC_SITE_CACHE_DIR=site).stdout


class Team:
    """Ada and Ben with a clone each, and the repository to which they push."""

    def __init__(self, ada: Workspace) -> None:
        self.ada, self.people = ada, {"ada": ada}
        for command in (
            "git clone --quiet --bare . ../origin",
            "git remote add origin ../origin",
            "git fetch --quiet",
            "git branch --quiet --set-upstream-to origin/main",
        ):
            ada.run(*command.split())
        self.clone("ben")

    def clone(self, person: str) -> None:
        """Give someone a new clone without results, with Ada's secrets."""
        top = self.ada.folder.parent
        new = Workspace(top / f"{person}-{len(list(top.iterdir()))}")
        self.ada.run("git", "clone", "--quiet", "../origin", str(new.folder))
        if (secrets := self.ada.folder / ".dvc/config.local").exists():
            shutil.copy(secrets, new.folder / ".dvc/config.local")
        new.run("git", "config", "user.name", person.title())
        new.run("git", "config", "user.email", f"{person}@example.org")
        self.people[person] = new

    def follow(self, section: str) -> Iterator[tuple[str, str]]:
        """Run the commands of a section; each with its output."""
        for person, command in walk(section):
            output = typed(self.people[person], command)
            assert "# nothing" not in command or output == ""
            assert "# runs nothing" not in command or stages_of(output) == []
            yield command, output


@pytest.fixture(scope="session")
def first_stand_in_rebuild(of_this_run: Path) -> Workspace:
    """A committed `small_workspace`, rebuilt by stand_in.py; made once for all test processes, read-only."""

    def make(folder: Path) -> Workspace:
        workspace = small_workspace(folder)
        pipeline = folder / "dvc.yaml"
        pipeline.write_text(re.sub(r"cmd: python -m .*", "cmd: python -m tests.team.stand_in", pipeline.read_text()))
        workspace.run("dvc", "repro")
        workspace.commit("Rebuild by stand-ins")
        return workspace

    return made_once(of_this_run, "first_stand_in_rebuild", make)
