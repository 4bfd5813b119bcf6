"""Experiments, as docs/team.md shows them: queued, run beside the workspace, taken over, passed on, and reviewed.

Stand-ins write a few bytes instead of training.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Workspace
from tests.team.manual import walk

HERE: dict[str, Any] = {"MAKEFLAGS": "-- RUNTIME= REMOTES= DEV="}  # the packages are there
SETTINGS = {"mae": ("loss", "mae"), "small-batch": ("batch", 8)}


@pytest.fixture(scope="module")
def people(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """Ada and Ben, whose stages are stand-ins, after the section."""
    return followed(first_stand_in_rebuild, tmp_path_factory.mktemp("experiments"))


def followed(rebuilt: Workspace, folder: Path) -> dict[str, Workspace]:
    """Clones of Ada and Ben, who share a remote, after both have typed what docs/team.md says on experiments."""
    ada = rebuilt.copy(folder / "ada")
    (folder / "results").mkdir()
    ada.run("make", "remote", "URL=../results", **HERE)
    ada.run("git", "commit", "--quiet", "--all", "--message", "Share results")
    ada.run("git", "clone", "--quiet", "--bare", ".", "../origin")
    ada.run("git", "remote", "add", "origin", "../origin")
    ada.run("git", "fetch", "--quiet", "origin")
    ada.run("git", "branch", "--quiet", "--set-upstream-to", "origin/main")
    ada.run("git", "clone", "--quiet", "../origin", "../ben")
    people = {"ada": ada, "ben": Workspace(folder / "ben")}
    for person, command in walk("Experiments"):
        start = time.monotonic()
        output = people[person].run("bash", "-c", command, **HERE).stdout
        print(f"{time.monotonic() - start:6.1f} s  {person}: {command}")
        if command.startswith("dvc exp run --run-all"):
            assert re.findall(r"^Running stage '(.*)'", output, flags=re.MULTILINE) == [
                *("train@simple", "evaluate@simple", "report"),
                *("train@simple", "evaluate@simple", "report"),
            ]
            assert ada.run("git", "status", "--porcelain").stdout == ""
        if "# runs nothing" in command:
            assert "Running stage" not in output
    return people


def test_an_experiment_that_was_applied_is_the_workspace(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    assert "    batch: 8\n" in (ada.folder / "params.yaml").read_text()
    assert ada.run("git", "status", "--porcelain").stdout == ""


def test_an_experiment_can_become_a_branch(people: dict[str, Workspace]) -> None:
    assert "    loss: mae\n" in people["ada"].run("git", "show", "try-mae:params.yaml").stdout


def test_a_colleague_gets_an_experiment_with_its_results(people: dict[str, Workspace]) -> None:
    ada, ben = people["ada"], people["ben"]
    assert "    loss: mae\n" in (ben.folder / "params.yaml").read_text()
    ada_has = ada.run("git", "show", "try-mae:metrics/scores/simple.json").stdout
    assert (ben.folder / "metrics/scores/simple.json").read_text() == ada_has


def test_editors_read_experiments_metrics_params_and_models(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    table = json.loads(ada.run("dvc", "exp", "show", "--json", "--num", "2").stdout)
    (before,) = (row for row in table if row["experiments"])
    found = {run["name"]: run["revs"][0]["data"] for run in before["experiments"]}
    for name, (key, value) in SETTINGS.items():
        assert found[name]["params"]["params.yaml"]["data"]["variants"]["simple"][key] == value
        scores = {
            where: data["metrics"]["metrics/scores/simple.json"]["data"]["psnr"]
            for where, data in (("before", before["data"]), ("after", found[name]))
        }
        assert scores["before"] != scores["after"]
        assert "data/models/simple" in found[name]["outs"]
    artifacts = ada.run("python", "-c", "from dvc.repo import Repo; print(*Repo().artifacts.read()['dvc.yaml'])").stdout
    assert "subpixel" in artifacts.split()


def test_a_review_compares_what_was_committed_with_where_it_came_from(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    done = ada.run("make", "review", "REV=HEAD~1", **HERE)
    assert "Running stage" not in done.stdout
    comparison = (ada.folder / "comparison.md").read_text()
    assert "variants.simple.batch" in comparison
    assert ada.run("git", "status", "--porcelain").stdout == ""


def test_a_review_refuses_metrics_that_are_not_those_of_the_code(people: dict[str, Workspace]) -> None:
    edited = people["ada"].copy(people["ada"].folder.with_name("edited"))
    summary = edited.folder / "metrics/scores/simple.json"
    summary.write_text(summary.read_text().replace('"psnr": ', '"psnr": 9'))
    edited.commit("Better scores")
    refused = edited.run("make", "review", "REV=HEAD~1", ok=False, **HERE)
    assert refused.returncode != 0
    assert " M metrics/scores/simple.json" in refused.stdout
    assert "make review: what is committed is not the result of this code" in refused.stderr
    assert (edited.folder / "comparison.md").exists()  # a pull request shows it all the same
