"""What `make merge` makes of two branches that both changed results.

The merging of texts is tested on texts, and what git makes of them in a repository where nothing is run. The command
is tested in a workspace with the real map, params and tools, in which stand-ins for the stages write a few bytes: what
is run, and what is taken over, is up to git, DVC and the lock file.
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
from ruamel.yaml import YAML

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


def described_as(words: str, text: str) -> str:
    """The README with another description of `subpixel`."""
    return text.replace(f"| {readme.described(text)['subpixel']} |", f"| {words} |")


def test_descriptions_that_both_wrote_are_a_conflict() -> None:
    ours, theirs = described_as("as Ada says", with_numbers("11.1")), described_as("as Ben says", with_numbers("22.2"))
    merged = merge.merged_readme(README, ours, theirs)
    rows = ["| `subpixel` | as Ada says |", "| `subpixel` | as Ben says |"]
    assert "\n".join(["<<<<<<< this branch", rows[0], "=======", rows[1], ">>>>>>> the other branch", ""]) in merged
    assert merged.count("<<<<<<<") == 1
    assert merge.merged_readme(README, ours, ours) == ours
    assert merge.merged_readme(README, ours, README) == ours


def test_a_text_that_git_cannot_merge_is_refused() -> None:
    with pytest.raises(merge.ByHandError, match=r"README.md: git merge-file: .*binary"):
        merge.merged_readme(README, f"\0here\n{README}", f"\0there\n{README}")


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ((b"", b"ours", b"theirs"), b"ours"),
        ((b"", b"", b"theirs"), b""),
        ((None, b"ours", None), b"ours"),
        ((None, None, b"theirs"), b"theirs"),
        ((b"", None, b"theirs"), None),
        ((b"", b"ours", None), None),
    ],
)
def test_a_file_that_one_side_added_is_kept_and_one_that_it_removed_is_not(
    sides: merge.Sides, expected: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "run/facts.json"
    path.parent.mkdir()
    path.write_bytes(b"what git left")
    merge.settle_file(path, sides)
    assert (path.read_bytes() if path.exists() else None) == expected
    assert path.parent.exists() == path.exists()


# === Texts and results in git ===


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What `make merge` reads besides results, in a git repository; nothing here is ever run."""
    workspace = Workspace(tmp_path_factory.mktemp("merge") / "repository")
    for path in ("params.yaml", "README.md", ".dvc/config", ".dvc/.gitignore"):
        source, target = REPOSITORY / path, workspace.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    (workspace.folder / "metrics").mkdir()
    (workspace.folder / ".gitignore").write_text("/data\n")
    train = {"foreach": "${variants}", "do": {"cmd": "false", "outs": ["data/models/${key}"]}}
    YAML().dump({"stages": {"train": train}}, workspace.folder / "dvc.yaml")
    write_lock(workspace.folder / "dvc.lock", {f"train@{n}": {"path": f"data/models/{n}"} for n in ("simple", "vae")})
    workspace.run("git", "init", "--quiet", "--initial-branch=main")
    for key, value in {"user.name": "Test", "user.email": "test@example.org", "core.editor": "true"}.items():
        workspace.run("git", "config", key, value)
    return workspace


@pytest.fixture
def here(repository: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy, as the current folder."""
    workspace = repository.copy(tmp_path / "repository")
    monkeypatch.chdir(workspace.folder)
    return workspace


def write_lock(path: Path, outs: dict[str, dict[str, str]]) -> None:
    """A lock file of stages with one output each."""
    stages = {name: {"cmd": "false", "outs": [out]} for name, out in outs.items()}
    YAML().dump({"schema": "2.0", "stages": stages}, path)


def test_what_no_lock_file_names_is_left_to_make_prune(here: Workspace) -> None:
    here.commit("Before")
    here.run("git", "switch", "--quiet", "--create", "branch")
    variants = YAML(typ="safe").load(Path("params.yaml"))["variants"]
    here.edit_params(variants={name: recipe for name, recipe in variants.items() if name != "vae"})
    here.commit("Without vae")
    here.run("git", "switch", "--quiet", "main")
    for name in ("vae", "simple", "of_my_own"):
        Path("data/models", name).mkdir(parents=True)
    here.run("git", "merge", "--no-ff", "--no-commit", "branch")
    merge.settle()
    assert {path.name for path in Path("data/models").iterdir()} == {"simple", "of_my_own"}
    assert "train@vae" not in Path("dvc.lock").read_text()


# === README.md in git ===


def conflict_in_readme(workspace: Workspace, ours: str, theirs: str) -> merge.Sides:
    """Merge two branches that have these texts; the sides as git knows them."""
    workspace.commit("Before")
    for branch, text in {"theirs": theirs, "ours": ours}.items():
        workspace.run("git", "switch", "--quiet", "--create", branch, "main")
        Path("README.md").write_text(text)
        workspace.commit(branch)
    assert workspace.run("git", "merge", "theirs", ok=False).returncode == 1
    return merge.versions("README.md")


def test_a_readme_with_other_numbers_on_both_sides_is_settled(here: Workspace) -> None:
    ours, theirs = with_numbers("11.1"), f"{with_numbers('22.2')}\nWritten there.\n"
    merge.settle_readme(conflict_in_readme(here, ours, theirs))
    assert Path("README.md").read_text() == f"{ours}\nWritten there.\n"


def test_what_a_person_has_settled_of_the_readme_stays(here: Workspace) -> None:
    sides = conflict_in_readme(
        here, *(with_numbers(n).replace(FIRST_LINE, line) for n, line in (("11.1", "# Here"), ("22.2", "# There")))
    )
    text = Path("README.md").read_text()
    settled = re.sub(r"<{7} HEAD\n# Here\n={7}\n# There\n>{7} theirs", "# Both", text)
    assert settled != text
    assert "<<<<<<<" in settled, "in the numbers"
    Path("README.md").write_text(settled)
    merge.settle_readme(sides)
    assert Path("README.md").read_text() == with_numbers("11.1").replace(FIRST_LINE, "# Both")


def test_conflicts_that_are_left_in_the_readme_are_settled_one_after_the_other(here: Workspace) -> None:
    ours, theirs = described_as("A", with_numbers("11.1")), described_as("B", with_numbers("22.2"))
    sides = conflict_in_readme(here, ours.replace(FIRST_LINE, "# A"), theirs.replace(FIRST_LINE, "# B"))
    for left, first_words in (2, "# "), (1, "| "):
        with pytest.raises(merge.ByHandError, match=r"README.md is in conflict in what is written by hand"):
            merge.settle_readme(sides)
        text = Path("README.md").read_text()
        assert text.count("<<<<<<<") == left
        of_both = rf"<{{7}} [ \w]+\n{re.escape(first_words)}.*\n={{7}}\n({re.escape(first_words)}.*\n)>{{7}} [ \w]+\n"
        Path("README.md").write_text(re.sub(of_both, r"\1", text))
    merge.settle_readme(sides)
    assert Path("README.md").read_text().startswith("# B\n")
    assert readme.described(Path("README.md").read_text())["subpixel"] == "B"


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
