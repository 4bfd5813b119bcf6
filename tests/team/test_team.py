"""Ada and Ben follow docs/team.md, command by command, with each kind of remote; what runs is what it says."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Workspace
from tests.team.servers import KINDS, Server

DOCUMENT = REPOSITORY / "docs/team.md"
INSTALLED = "-- RUNTIME= REMOTES= DEV="  # for MAKEFLAGS: the packages are there
TRAINING = {"train@simple", "evaluate@simple", "report"}


def walk(section: str) -> list[tuple[str, str]]:
    """Who types what, in a section of docs/team.md: (`ada` or `ben`, command line), in order."""
    text = DOCUMENT.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    fences = re.findall(r"^```sh (ada|ben)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(person, line) for person, lines in fences for line in lines.splitlines()]


class Team:
    """Two people, a clone for each, and the repository to which they push."""

    def __init__(self, folder: Path, rebuilt: Workspace, server: Server) -> None:
        """Clones at the commit before `rebuilt`; Ada's has the results, Ben's nothing."""
        self.folder = folder
        ada = rebuilt.copy(folder / "ada")
        ada.run("git", "update-ref", "-d", "HEAD")
        ada.run("git", "rm", "--quiet", "--cached", "dvc.lock")
        ada.run("make", "remote", *server.access.make_arguments, MAKEFLAGS=INSTALLED)
        ada.run("git", "add", ".dvc/config")
        ada.run("git", "commit", "--quiet", "--message", "Sources")
        ada.run("git", "init", "--quiet", "--bare", "--initial-branch=main", "../origin")
        ada.run("git", "remote", "add", "origin", "../origin")
        ada.run("git", "push", "--quiet", "--set-upstream", "origin", "main")
        ada.run("git", "clone", "--quiet", "../origin", "../ben")
        self.people = {"ada": ada, "ben": Workspace(folder / "ben")}
        for name, workspace in self.people.items():
            workspace.run("git", "config", "user.name", name.title())
            workspace.run("git", "config", "user.email", f"{name}@example.org")
            for option, value in server.access.secrets:
                workspace.run("dvc", "remote", "modify", "--local", "team", option, value)

    def follow(self, section: str) -> list[tuple[str, str, list[str]]]:
        """Type the commands of a section.

        Returns:
            Who typed what, and the stages that ran, for each `make repro` and `make pull`.
        """
        runs = []
        for person, command in walk(section):
            start = time.monotonic()
            output = self.type(person, command)
            print(f"{time.monotonic() - start:6.1f} s  {person}: {command}")
            if command.startswith(("make repro", "make pull")):
                runs.append((person, command.partition("  ")[0], re.findall(r"^Running stage '(.+?)'", output, re.M)))
            if "# nothing" in command:
                assert output == ""
        return runs

    def type(self, person: str, command: str) -> str:
        """Run one command line in a person's clone, to its end, and return what it printed."""
        return self.people[person].run("bash", "-c", command, **self.environment(person)).stdout

    def environment(self, person: str) -> dict[str, str]:
        return {"MAKEFLAGS": INSTALLED, "DVC_SITE_CACHE_DIR": str(self.folder / f"site-cache-{person}")}

    def new_machine(self, person: str) -> None:
        """Take away all that DVC has on a person's machine."""
        clone = self.people[person].folder
        for path in (clone / ".dvc/cache", clone / ".dvc/tmp", clone / "data", self.folder / f"site-cache-{person}"):
            shutil.rmtree(path, ignore_errors=True)
        self.type(person, "git checkout --quiet -- data")


@pytest.fixture(scope="module", params=list(KINDS))
def team(
    first_small_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "server").mkdir()
    with KINDS[request.param](folder / "server") as server:
        yield Team(folder, first_small_rebuild, server)


def test_what_one_has_computed_the_other_does_not_compute_again(team: Team) -> None:
    # Ben's clone is new.
    assert team.follow("Rebuild, share, take over") == [("ada", "make repro", []), ("ben", "make pull", [])]

    ben, *ada = team.follow("Change a variant, compare, review")
    assert ben[:2] == ("ben", "make pull")
    assert set(ben[2]) == TRAINING
    assert [stages for _, _, stages in ada] == [[], []]

    for person in team.people:
        team.new_machine(person)
    ada_back, ben_back = team.follow("Back to an older state")
    assert ada_back == ("ada", "make pull", [])
    assert ben_back == ("ben", "make pull", ["report"])
    for person in team.people:
        team.type(person, "dvc status --quiet dvc.yaml")
