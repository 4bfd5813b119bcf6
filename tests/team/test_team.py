"""Ada and Ben follow docs/team.md, command by command; what runs is what it says, whatever the kind of remote.

The whole walk is done with S3; every other kind of remote is asked for known states.
"""

import re
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.team.manual import walk
from tests.team.servers import KINDS, Access

INSTALLED = "-- RUNTIME= REMOTES= DEV="  # for MAKEFLAGS: the packages are there
REBUILD, CHANGE, BACK = (
    "Rebuild, share, take over",
    "Change a variant, compare, review",
    "Back to an older state",
)


class Team:
    """Two people, a clone for each, and the repository to which they push."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.people: dict[str, Workspace] = {}

    def clone(self, person: str) -> None:
        """Give someone a new clone, without results; its secrets are those of Ada."""
        name = f"{person}-{len(list(self.folder.iterdir()))}"
        Workspace(self.folder).run("git", "clone", "--quiet", "origin", name)
        shutil.copy(self.people["ada"].folder / ".dvc/config.local", self.folder / name / ".dvc/config.local")
        self.people[person] = Workspace(self.folder / name)
        self.people[person].run("git", "config", "user.name", person.title())
        self.people[person].run("git", "config", "user.email", f"{person}@example.org")

    def follow(self, section: str) -> list[list[str]]:
        """Type the commands of a section.

        Returns:
            The stages that ran, for each `make repro`, `make pull` and `make review`.
        """
        runs = []
        for person, command in walk(section):
            start = time.monotonic()
            output = typed(self.people[person], command)
            print(f"{time.monotonic() - start:6.1f} s  {person}: {command}")
            if command.startswith(("make repro", "make pull", "make review")):
                runs.append(stages(output))
            if "# nothing" in command:
                assert output == ""
        return runs


def typed(workspace: Workspace, command: str) -> str:
    """Run a command line in a clone, to its end; return what it printed."""
    site = str(workspace.folder.with_name(f"{workspace.folder.name}-site-cache"))  # what DVC keeps outside of a clone
    return workspace.run("bash", "-c", command, MAKEFLAGS=INSTALLED, DVC_SITE_CACHE_DIR=site).stdout


def stages(output: str) -> list[str]:
    """The stages that ran, in order."""
    return re.findall(r"^Running stage '(.+?)'", output, flags=re.MULTILINE)


def set_up_remote(workspace: Workspace, access: Access) -> None:
    """Follow the section on the remote, with the URL and the secrets of a server instead of those of its example."""
    secrets = dict(access.secrets)
    for _, command in walk("The remote"):
        words = shlex.split(command, comments=True)
        if words[:2] == ["make", "remote"]:
            words[2:] = access.make_arguments
        elif words[:5] == ["dvc", "remote", "modify", "--local", "team"]:
            option = words[5] if words[5] in secrets else next(iter(secrets))  # the example is of S3
            words[5:] = [option, secrets.pop(option)]
        typed(workspace, shlex.join(words))
    assert secrets == {}


@contextmanager
def team(folder: Path, rebuilt: Workspace) -> Iterator[Team]:
    """Ada after a rebuild that she has not committed, and Ben in a new clone."""
    with KINDS["s3"](folder) as server:
        members = Team(folder / "clones")
        members.folder.mkdir()
        ada = members.people["ada"] = rebuilt.copy(members.folder / "ada")
        ada.run("git", "update-ref", "-d", "HEAD")
        ada.run("git", "rm", "--quiet", "--cached", "dvc.lock")
        ada.run("git", "commit", "--quiet", "--message", "Sources")
        set_up_remote(ada, server.access)
        ada.run("git", "clone", "--quiet", "--bare", ".", "../origin")
        ada.run("git", "remote", "add", "origin", "../origin")
        ada.run("git", "fetch", "--quiet")
        ada.run("git", "branch", "--quiet", "--set-upstream-to", "origin/main")
        members.clone("ben")
        yield members


def rebuild_and_change(members: Team) -> None:
    """Follow the first two sections, and see what runs."""
    assert members.follow(REBUILD) == [[], []]  # of Ada's stages all are current, of Ben's none exists
    ben, ada = members.follow(CHANGE)
    assert sorted(ben) == ["evaluate@simple", "report", "train@simple"]
    assert ada == []


def go_back(members: Team) -> None:
    """Follow the third section in new clones, and see what runs."""
    members.clone("ben")
    members.clone("ada")
    assert members.follow(BACK) == [[], ["evaluate@simple", "report"]]


@pytest.fixture(scope="module")
def followed(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Ada and Ben with an S3 server, after the first two sections; their stages are stand-ins."""
    with team(tmp_path_factory.mktemp("s3"), first_stand_in_rebuild) as members:
        rebuild_and_change(members)
        yield members


@pytest.fixture(scope="module")
def knowing(followed: Team) -> Workspace:
    """Ada's first clone: on main, with the results of two states, `main` and `main~1`."""
    return Workspace(followed.folder / "ada")


def test_what_one_has_computed_no_other_computes_again(followed: Team) -> None:
    go_back(followed)


@pytest.mark.parametrize("kind", ["ssh", "webdav"])
def test_every_kind_of_remote_gives_known_states_back(knowing: Workspace, tmp_path: Path, kind: str) -> None:
    ada, ben = knowing.copy(tmp_path / "ada"), Workspace(tmp_path / "ben")
    with KINDS[kind](tmp_path) as server:
        (ada.folder / ".dvc/config.local").unlink()
        set_up_remote(ada, server.access)
        typed(ada, "make share")
        typed(ada, "git restore --source main~2 params.yaml dvc.lock metrics && dvc checkout dvc.yaml && make share")
        ada.run("git", "clone", "--quiet", ".", str(ben.folder))
        shutil.copy(ada.folder / ".dvc/config.local", ben.folder / ".dvc/config.local")

        assert stages(typed(ben, "make pull")) == []
        assert typed(ben, "git status --short") == ""
        typed(ben, "git restore --source main~2 params.yaml")
        assert stages(typed(ben, "make pull")) == ["evaluate@simple", "report"]
        assert typed(ben, "git diff main~2 -- params.yaml dvc.lock metrics") == ""
