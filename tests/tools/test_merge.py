"""Results of two branches are merged by stage and by run; those of removed variants are removed."""

import re

from tests.conftest import REPOSITORY, Workspace
from tests.tools.conftest import done, refused
from tools import LOCK, merge


def test_a_lock_file_is_merged_by_stage_and_otherwise_unchanged() -> None:
    lock = (REPOSITORY / "dvc.lock").read_text()
    ours, theirs = (
        re.sub(rf"(?s)(\n  train@{name}:.*?md5: )\w+", r"\1" + name, lock, count=1) for name in ("simple", "vae")
    )
    merged = merge.merged(LOCK, lock, ours, theirs)
    assert merged == merge.merged(LOCK, lock, theirs, ours)
    assert merged.count("md5: simple") == merged.count("md5: vae") == 1
    assert merge.merged(LOCK, "", lock, lock) == lock  # added on both branches


def test_an_entry_comes_from_the_branch_that_changed_it_or_from_ours() -> None:
    base = "study,run,psnr\nboth,a,1\ntheirs,b,1\nours,c,1\nneither,d,1\nremoved_here,e,1\nremoved_there,f,1\n"
    ours = base.replace("a,1", "a,2").replace("c,1", "c,2").replace("removed_here,e,1\n", "") + "new,g,2\nnew,h,2\n"
    theirs = base.replace("a,1", "a,3").replace("b,1", "b,3").replace("removed_there,f,1\n", "") + "new,h,3\nnew,i,3\n"
    expected = "study,run,psnr\nboth,a,2\ntheirs,b,3\nours,c,2\nneither,d,1\nnew,g,2\nnew,h,2\nnew,i,3\n"
    assert merge.merged(merge.STUDIES, base, ours, theirs) == expected


def change(workspace: Workspace, branch: str, params: str) -> None:
    workspace.run("git", "switch", "--quiet", "--force-create", branch, "main")
    (workspace.folder / "params.yaml").write_text(params)
    workspace.run("dvc", "repro", "--quiet")
    workspace.commit(branch)


def test_a_merge_that_stopped_in_results_is_resolved_and_rebuilt(tiny: Workspace) -> None:
    change(tiny, "ada", "variants:\n  simple: 11\n  vae: 20\n")
    change(tiny, "ben", "variants:\n  simple: 10\n  vae: 20\n  naive: 5\n")
    assert tiny.run("git", "merge", "ada", ok=False).returncode != 0
    assert "<<<<<<<" in (tiny.folder / "dvc.lock").read_text()
    done(tiny, "tools.merge")
    assert tiny.stages_run() == ["report"]
    assert (tiny.folder / "data/page").read_text().strip() == "36"
    tiny.run("git", "add", "--all", "--", "dvc.lock", "metrics")
    tiny.run("git", "commit", "--quiet", "--no-edit")
    assert tiny.run("git", "status", "--porcelain").stdout == ""
    tiny.run("dvc", "status", "--quiet")


def test_outputs_of_a_variant_that_one_branch_removed_are_removed_unless_edited(tiny: Workspace) -> None:
    lock, models = tiny.folder / "dvc.lock", tiny.folder / "data/models"
    change(tiny, "ada", "variants:\n  simple: 10\n")
    change(tiny, "ben", "variants:\n  simple: 12\n  vae: 20\n")
    (models / "of_my_own").mkdir()
    tiny.run("git", "merge", "ada", ok=False)
    before = lock.read_text()
    without_git = tiny.run("python", "-m", "tools.merge", ok=False, GIT_DIR="none").stderr
    assert without_git.endswith("merge: git can't list the conflicts; it says above why\n")
    assert "merge: resolve params.yaml by hand, `git add` them" in refused(tiny, "tools.merge")
    assert lock.read_text() == before
    (tiny.folder / "params.yaml").write_text("variants:\n  simple: 12\n")
    tiny.run("git", "add", "params.yaml")
    assert "removed what no variant or test set owns any more: data/models/vae\n" in done(tiny, "tools.merge")
    assert sorted(path.name for path in models.iterdir()) == [".gitignore", "of_my_own", "simple"]

    (models / "simple/notes.txt").write_text("mine")
    (tiny.folder / "params.yaml").write_text("variants: {}\n")
    assert done(tiny, "tools.merge") == ""
    assert (models / "simple/weights").exists()


def test_scores_that_both_branches_renamed_are_kept(tiny: Workspace) -> None:
    for name in ("ada", "ben"):
        tiny.run("git", "switch", "--quiet", "--create", name, "main")
        tiny.run("git", "mv", "metrics/lines.csv", f"metrics/{name}.csv")
        tiny.commit(name)
    assert "rename/rename" in tiny.run("git", "merge", "ada", ok=False).stdout
    done(tiny, "tools.merge")
    assert sorted(path.name for path in (tiny.folder / "metrics").glob("*.csv")) == ["ada.csv", "ben.csv"]
