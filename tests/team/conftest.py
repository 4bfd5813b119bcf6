"""What the tests of work in a team share: a pipeline whose stages cost nothing, and people who type docs/team.md."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import INSTALLED, REPOSITORY, Workspace, made_once, small_workspace

MANUAL = (REPOSITORY / "docs/team.md").read_text()


def walk(section: str) -> list[tuple[str, str]]:
    """Who types what, in a section of docs/team.md: (`ada` or `ben`, command line), in order."""
    text = MANUAL.split(f"\n## {section}\n")[1].split("\n## ")[0]
    fences = re.findall(r"^```sh (ada|ben)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(person, line) for person, lines in fences for line in lines.splitlines()]


def typed(workspace: Workspace, command: str) -> str:
    """Run a command line in a clone, to its end; return what it printed."""
    site = str(workspace.folder.with_name(f"{workspace.folder.name}-site-cache"))  # what DVC keeps outside of a clone
    return workspace.run("bash", "-c", command, MAKEFLAGS=INSTALLED, DVC_SITE_CACHE_DIR=site).stdout


def stages_run(output: str) -> list[str]:
    """The stages that ran, in order."""
    return re.findall(r"^Running stage '(.+?)'", output, flags=re.MULTILINE)


class Team:
    """Ada and Ben, a clone for each, and the repository to which they push."""

    def __init__(self, ada: Workspace) -> None:
        """Ada's is the first; Ben gets a clone of what she has committed."""
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
        """Give someone a new clone, without results; its secrets are those of Ada."""
        top = self.ada.folder.parent
        new = Workspace(top / f"{person}-{len(list(top.iterdir()))}")
        self.ada.run("git", "clone", "--quiet", "../origin", str(new.folder))
        if (secrets := self.ada.folder / ".dvc/config.local").exists():
            shutil.copy(secrets, new.folder / ".dvc/config.local")
        new.run("git", "config", "user.name", person.title())
        new.run("git", "config", "user.email", f"{person}@example.org")
        self.people[person] = new

    def follow(self, section: str) -> Iterator[tuple[str, str]]:
        """Type the commands of a section; each, and what it printed, as soon as it has ended."""
        for person, command in walk(section):
            output = typed(self.people[person], command)
            assert "# nothing" not in command or output == ""
            assert "# runs nothing" not in command or stages_run(output) == []
            yield command, output


@pytest.fixture(scope="session")
def first_stand_in_rebuild(of_this_run: Path) -> Workspace:
    """A committed `small_workspace` with the real map, params and tools, rebuilt by stand-ins for the stages.

    Made once for all test processes. Nobody may touch it. What is run, and what is taken over, is up to git, DVC and
    the lock file, whatever the stages write (stand_in.py).
    """

    def make(folder: Path) -> Workspace:
        workspace = small_workspace(folder)
        pipeline = folder / "dvc.yaml"
        pipeline.write_text(re.sub(r"cmd: python -m .*", "cmd: python -m tests.team.stand_in", pipeline.read_text()))
        workspace.run("dvc", "repro")
        workspace.commit("Rebuild by stand-ins")
        return workspace

    return made_once(of_this_run, "first_stand_in_rebuild", make)
