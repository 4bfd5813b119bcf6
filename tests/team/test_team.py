"""Ada and Ben follow docs/team.md with an S3 remote; remotes of other kinds restore two known states."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.team.conftest import Team, stages_run, typed, walk
from tests.team.servers import Server, served

REBUILD, CHANGE = "Rebuild, share, take over", "Change a variant, compare, review"


def runs(members: Team, section: str) -> list[list[str]]:
    """Follow a section; the stages that ran, by `make repro`, `make pull` and `make review`."""
    building = ("make repro", "make pull", "make review")
    return [stages_run(output) for command, output in members.follow(section) if command.startswith(building)]


def set_up_remote(workspace: Workspace, server: Server) -> None:
    """Follow the section on the remote, with the URL and secrets of a server."""
    secrets = dict(server.secrets)
    for _, command in walk("The remote"):
        words = shlex.split(command, comments=True)
        if words[:2] == ["make", "remote"]:
            words[2:] = server.make_arguments
        elif words[:5] == ["dvc", "remote", "modify", "--local", "team"]:
            option = words[5] if words[5] in secrets else next(iter(secrets))  # the example is of S3
            words[5:] = [option, secrets.pop(option)]
        typed(workspace, shlex.join(words))
    assert secrets == {}


@pytest.fixture(scope="module")
def followed(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Ada and Ben with an S3 server, after the first two sections, with stand-ins for stages."""
    folder = tmp_path_factory.mktemp("s3")
    ada = first_stand_in_rebuild.copy(folder / "clones/ada")
    ada.run("git", "update-ref", "-d", "HEAD")  # her rebuild is not committed
    ada.run("git", "rm", "--quiet", "--cached", "dvc.lock")
    ada.run("git", "commit", "--quiet", "--message", "Sources")
    with served("s3", folder) as server:
        set_up_remote(ada, server)
        members = Team(ada)
        assert runs(members, REBUILD) == [[], []]  # Ada's are current, Ben pulls all
        changed, reviewed = runs(members, CHANGE)
        assert sorted(changed) == ["evaluate@simple", "report", "train@simple"]
        assert reviewed == []
        assert "variants.simple.learning_rate" in (ada.folder / "comparison.md").read_text()
        assert typed(ada, "git status --short") == ""
        yield members


def test_a_shared_result_is_never_computed_again(followed: Team) -> None:
    followed.clone("ben")
    followed.clone("ada")
    assert runs(followed, "Back to an older state") == [[], ["evaluate@simple", "report"]]


@pytest.mark.parametrize("kind", ["ssh", "webdav"])
def test_every_kind_of_remote_restores_known_states(followed: Team, tmp_path: Path, kind: str) -> None:
    """Ada's first clone is on main, with the results of `main` and `main~2`."""
    ada, ben = followed.ada.copy(tmp_path / "ada"), Workspace(tmp_path / "ben")
    with served(kind, tmp_path) as server:
        (ada.folder / ".dvc/config.local").unlink()
        set_up_remote(ada, server)
        typed(ada, "make share")
        typed(ada, "git restore --source main~2 params.yaml dvc.lock metrics && dvc checkout dvc.yaml && make share")
        ada.run("git", "clone", "--quiet", ".", str(ben.folder))
        shutil.copy(ada.folder / ".dvc/config.local", ben.folder / ".dvc/config.local")

        assert stages_run(typed(ben, "make pull")) == []
        assert typed(ben, "git status --short") == ""
        typed(ben, "git restore --source main~2 params.yaml")
        assert stages_run(typed(ben, "make pull")) == ["evaluate@simple", "report"]
        assert typed(ben, "git diff main~2 -- params.yaml dvc.lock metrics") == ""
