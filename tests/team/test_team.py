"""Ada and Ben follow docs/team.md, with stand-ins for stages and remotes of every kind."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import INSTALLED, Workspace, stages_of
from tests.team.conftest import Team, typed, walk
from tests.team.servers import Server, served

REBUILD, CHANGE = "Rebuild, share, pull", "Change a variant, compare, review"


def runs(members: Team, section: str) -> list[list[str]]:
    """Follow a section; the stages that ran, by `make repro`, `make pull` and `make review`."""
    building = ("make repro", "make pull", "make review")
    return [stages_of(output) for command, output in members.follow(section) if command.startswith(building)]


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
        assert (ada.folder / "comparison.md").read_text().startswith("`main (")
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

        assert stages_of(typed(ben, "make pull")) == []
        assert typed(ben, "git status --short") == ""
        typed(ben, "git restore --source main~2 params.yaml")
        assert stages_of(typed(ben, "make pull")) == ["evaluate@simple", "report"]
        assert typed(ben, "git diff main~2 -- params.yaml dvc.lock metrics") == ""


# === Experiments, with a folder as remote ===


@pytest.fixture(scope="module")
def people(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """Ada and Ben after the commands on experiments."""
    folder = tmp_path_factory.mktemp("experiments")
    ada = first_stand_in_rebuild.copy(folder / "ada")
    (folder / "results").mkdir()
    typed(ada, "make remote URL=../results && git commit --quiet --all --message 'Share results'")
    members = Team(ada)
    for command, output in members.follow("Experiments"):
        if command.startswith("dvc exp run --run-all"):
            assert stages_of(output) == 2 * ["train@simple", "evaluate@simple", "report"]
            assert ada.run("git", "status", "--porcelain").stdout == ""
    return members.people


def test_an_experiment_becomes_the_workspace_a_branch_or_a_colleagues_workspace(people: dict[str, Workspace]) -> None:
    ada, ben = people["ada"], people["ben"]
    assert "    batch: 8\n" in (ada.folder / "params.yaml").read_text()
    assert ada.run("git", "status", "--porcelain").stdout == ""
    scores = "metrics/scores/simple.json"
    assert (ben.folder / scores).read_text() == ada.run("git", "show", f"try-mae:{scores}").stdout
    for params in ((ben.folder / "params.yaml").read_text(), ada.run("git", "show", "try-mae:params.yaml").stdout):
        assert "    loss: mae\n" in params


def test_a_review_refuses_metrics_that_the_code_does_not_give(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    summary = ada.folder / "metrics/scores/simple.json"
    summary.write_text(summary.read_text().replace('"psnr": ', '"psnr": 9'))
    ada.commit("Better scores")
    refused = ada.run("make", "review", "REV=HEAD~1", ok=False, MAKEFLAGS=INSTALLED)
    assert refused.returncode != 0
    assert " M metrics/scores/simple.json" in refused.stdout
    assert "make review: what is committed is not the result of this code" in refused.stderr
    assert Path(ada.folder, "comparison.md").exists()

    ada.edit_params(variants__simple__batch=4)
    refused = ada.run("make", "compare", "REV=HEAD~1", ok=False, MAKEFLAGS=INSTALLED)
    assert "Running stage 'train@simple'" in refused.stdout
    assert "make current: run make repro, and commit the result" in refused.stderr
