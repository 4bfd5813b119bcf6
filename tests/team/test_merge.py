"""What `make merge` makes of two branches that both changed results.

The merging of texts is tested on texts, the command in a workspace with the real map, params and tools, in which
stand-ins for the stages write a few bytes instead of training.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import REPOSITORY, Workspace
from tests.team.manual import walk
from tools import merge, readme

# === Texts ===

ENTRIES = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2))


@given(ENTRIES, ENTRIES)
def test_what_one_side_did_is_done(base: dict[str, int], changed: dict[str, int]) -> None:
    assert merge.three_way(base, changed, base) == changed
    assert merge.three_way(base, base, changed) == changed
    assert merge.three_way(base, changed, changed) == changed


@given(ENTRIES, ENTRIES, ENTRIES)
def test_every_entry_is_one_that_a_side_has(base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]) -> None:
    merged = merge.three_way(base, ours, theirs)
    for key in base | ours | theirs:
        if key in base and (key not in ours or key not in theirs):
            assert key not in merged, "a removal holds"
        elif ours.get(key) != theirs.get(key) and base.get(key) != ours.get(key):
            assert merged[key] == ours.get(key, theirs.get(key)), "changed here"
        else:
            assert merged[key] == theirs[key], "changed there, or the same on both sides"
    assert [key for key in merged if key in ours] == [key for key in ours if key in merged], "in our order"


LOCK = (REPOSITORY / "dvc.lock").read_text().partition("  baselines:\n")[0]  # fetch, targets, six variants


def with_md5_of(stage: str, md5: str, lock: str = LOCK) -> str:
    """A lock file in which the first dependency of a stage has another content."""
    before, entry = lock.split(f"\n  {stage}:\n")
    return f"{before}\n  {stage}:\n{re.sub(r'md5: [0-9a-f]{32}', f'md5: {md5}', entry, count=1)}"


def test_a_merged_lock_has_the_entries_of_both_sides_and_the_form_of_dvc() -> None:
    ours, theirs = with_md5_of("train@simple", "a" * 32), with_md5_of("train@vae", "1e8".rjust(32, "0"))
    assert merge.merged_lock(LOCK, LOCK, LOCK) == LOCK
    assert merge.merged_lock(LOCK, ours, theirs) == with_md5_of("train@vae", "1e8".rjust(32, "0"), ours)
    assert merge.merged_lock("", LOCK, LOCK) == LOCK  # both branches began it


def test_a_stage_that_both_have_run_keeps_our_entry() -> None:
    ours, theirs = (with_md5_of("train@simple", letter * 32) for letter in "ab")
    assert merge.merged_lock(LOCK, ours, theirs) == ours


README = (REPOSITORY / "README.md").read_text()
FIRST_LINE = README.splitlines()[0]


def with_numbers(number: str) -> str:
    """The README with other numbers where they are generated."""
    return merge.PART.sub(lambda part: re.sub(r"\d\d\.\d", number, part[0]), README)


def test_numbers_of_the_readme_never_conflict() -> None:
    ours, theirs = with_numbers("11.1"), with_numbers("22.2")
    assert ours != theirs
    assert merge.merged_readme(README, ours, f"{theirs}\nWritten there.\n") == f"{ours}\nWritten there.\n"


def test_text_of_the_readme_that_both_wrote_does() -> None:
    sides = [with_numbers(n).replace(FIRST_LINE, line) for n, line in (("11.1", "# Here"), ("22.2", "# There"))]
    merged = merge.merged_readme(README, *sides)
    assert merged.startswith("<<<<<<< this branch\n# Here\n=======\n# There\n>>>>>>> the other branch\n")
    assert merged.count("<<<<<<<") == 1


def test_a_description_that_the_other_branch_wrote_is_kept() -> None:
    words = readme.described(README)["subpixel"]
    theirs = README.replace(words, "what Ben says of it")
    merged = merge.merged_readme(README, with_numbers("11.1"), theirs)
    assert readme.described(merged)["subpixel"] == "what Ben says of it"


# === The command ===

HERE: dict[str, Any] = {"MAKEFLAGS": "-- RUNTIME= REMOTES= DEV="}  # the packages are there
VAE = {"network": "vae", "latent": 32, "sigma": 0.05}


@pytest.fixture(scope="module")
def before(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Ada's results in main, those of Ben and of Cleo on branches."""
    folder = tmp_path_factory.mktemp("merge")
    workspace = first_stand_in_rebuild.copy(folder / "workspace")
    workspace.run("dvc", "remote", "add", "--local", "--quiet", "--default", "team", str(folder / "remote"))
    workspace.run("git", "branch", "smoother")
    workspace.run("git", "branch", "cleo")
    change(workspace, "cleo", variants={"simple": {"network": "simple", "loss": "mse_ssim"}})
    change(workspace, "smoother", variants__subpixel__loss="mae", variants__vae=VAE)
    workspace.run("dvc", "push", "--run-cache", "--quiet")
    change(workspace, "main", variants__simple__loss="mae")
    workspace.run("dvc", "push", "--run-cache", "--quiet")
    return workspace


@pytest.fixture
def workspace(before: Workspace, tmp_path: Path) -> Workspace:
    """A copy at `main`."""
    return before.copy(tmp_path / "workspace")


def change(workspace: Workspace, branch: str, **params: Any) -> None:
    """On a branch, change params, rebuild, share and commit."""
    workspace.run("git", "switch", "--quiet", branch)
    workspace.edit_params(**params)
    workspace.run("dvc", "repro")
    workspace.commit(f"On {branch}")


def conflicts_of_merging(workspace: Workspace, branch: str) -> set[str]:
    workspace.run("git", "merge", "--no-edit", branch, ok=False)
    return set(workspace.run("git", "diff", "--name-only", "--diff-filter=U").stdout.split())


def stages_in(output: str) -> list[str]:
    """The stages that a command ran."""
    return re.findall(r"^Running stage '(.*)'", output, flags=re.MULTILINE)


def assert_settled(workspace: Workspace, **variants: dict[str, Any]) -> None:
    """The merge is committed, is current, and its metrics are of these settings."""
    assert workspace.run("git", "status", "--porcelain").stdout == ""
    workspace.run("make", "current", **HERE)
    rows = json.loads((workspace.folder / "metrics/summary.json").read_text())["variants"]
    assert {name: row["settings"] for name, row in rows.items()} == variants


def test_results_of_two_branches_are_put_together_and_only_the_report_is_run(workspace: Workspace) -> None:
    for path in (".dvc/cache", ".dvc/tmp", "data"):  # as in a new clone
        shutil.rmtree(workspace.folder / path)
    workspace.run("git", "restore", "data")
    output = ""
    for _, command in walk("When two branches changed results"):
        output += workspace.run("bash", "-c", command, ok=not command.startswith("git merge"), **HERE).stdout
    assert "CONFLICT (content): Merge conflict in dvc.lock" in output
    assert stages_in(output) == ["report"]
    assert_settled(
        workspace,
        simple={"network": "simple", "loss": "mae"},
        subpixel={"network": "subpixel", "loss": "mae"},
        vae=VAE,
    )


def test_conflicts_in_what_people_write_come_first(workspace: Workspace) -> None:
    (workspace.folder / ".dvc/config.local").unlink()  # the clone has all of it, without a remote
    assert conflicts_of_merging(workspace, "cleo") >= {"params.yaml", "dvc.lock"}
    lock = (workspace.folder / "dvc.lock").read_text()
    refused = workspace.run("make", "merge", ok=False, **HERE)
    assert refused.returncode != 0
    assert "merge: in conflict, and written by hand: params.yaml. Edit" in refused.stderr
    assert (workspace.folder / "dvc.lock").read_text() == lock

    # Without subpixel, as Cleo has it; with a third setting of simple, which nobody has run.
    workspace.run("git", "checkout", "--theirs", "params.yaml")
    workspace.edit_params(variants__simple__batch=16)
    workspace.run("git", "add", "params.yaml")
    output = workspace.run("make", "merge", **HERE).stdout
    assert stages_in(output) == ["train@simple", "evaluate@simple", "report"]
    workspace.run("git", "commit", "--quiet", "--no-edit")
    assert_settled(workspace, simple={"network": "simple", "loss": "mse_ssim", "batch": 16})
    assert "subpixel" not in (workspace.folder / "dvc.lock").read_text().replace("stages/", "")


def test_without_a_merge_there_is_nothing_to_do(workspace: Workspace) -> None:
    refused = workspace.run("make", "merge", ok=False, **HERE)
    assert "merge: nothing to do: no merge is in progress" in refused.stderr
