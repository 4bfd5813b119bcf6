"""What stages depend on: a change runs exactly the stages that use it, and no stage opens an undeclared file."""

import re
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.common import stage as running
from tests.conftest import VARIANTS, Workspace

Change = Callable[[Workspace], None]

TRAIN = {"train@simple", "train@subpixel"}
EVALUATE = {"evaluate@simple", "evaluate@subpixel"}


def replace(name: str, old: str, new: str) -> Change:
    def change(workspace: Workspace) -> None:
        path = workspace.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def comment(name: str) -> Change:
    """Append a comment to a file."""

    def change(workspace: Workspace) -> None:
        with (workspace.folder / name).open("a") as file:
            file.write("# A comment.\n")

    return change


def params(**changes: object) -> Change:
    return lambda workspace: workspace.edit_params(**changes)


def without_a_test_photograph(workspace: Workspace) -> None:
    next((workspace.folder / "photographs/test").rglob("*.*")).unlink()


# The change, and the stages whose inputs it changes. Stages after these depend on what they write.
TABLE: dict[str, tuple[Change, set[str]]] = {
    "one photograph": (without_a_test_photograph, {"fetch"}),
    "the conversions": (comment("grayscale/conversions.py"), {"targets", "baselines", *EVALUATE}),
    "the patch size": (params(targets__patch=32, targets__stride=32), {"targets", "baselines", *EVALUATE}),
    "the seed": (params(train__recipe__seed=2), TRAIN),
    "a shared loss": (comment("stages/train/losses.py"), TRAIN),
    "TensorFlow's version": (replace("environment.yaml", "tensorflow: ", "tensorflow: 99.0.0 # "), {*TRAIN, *EVALUATE}),
    "one variant's params": (params(variants__subpixel__learning_rate=0.03), {"train@subpixel", "report"}),
    "one network's file": (comment("stages/networks/subpixel.py"), {"train@subpixel", "evaluate@subpixel"}),
    "a measure": (comment("stages/evaluate/measures.py"), {"baselines", *EVALUATE, "report"}),
    "the report template": (replace("stages/report/page.html", "<body", "<body "), {"report"}),
    "the README": (comment("README.md"), set()),
    "a test": (comment("tests/conftest.py"), set()),
    "pytest's version": (replace("requirements-dev.lock", "pytest==", "pytest==1"), set()),
    "where it computes": (replace("engine.yaml", "engine: local", "engine: ray"), set()),
}


def planned(workspace: Workspace) -> set[str]:
    """The stages of `dvc repro --dry`."""
    with chdir(workspace.folder), Repo() as repo:
        return {stage.addressing for stage in repo.reproduce(dry=True)}


def test_a_change_invalidates_exactly_the_stages_that_use_it(workspace: Workspace) -> None:
    touched = {}
    for name, (change, _) in TABLE.items():
        change(workspace)
        touched[name] = planned(workspace)
        workspace.run("git", "checkout", "--quiet", ".")
    assert touched == {name: stages for name, (_, stages) in TABLE.items()}


@pytest.mark.long
def test_a_changed_test_photograph_trains_nothing_and_equal_outputs_invalidate_nothing(workspace: Workspace) -> None:
    comment("stages/targets/__main__.py")(workspace)
    assert workspace.stages_run() == ["targets"]
    without_a_test_photograph(workspace)
    assert workspace.stages_run("targets") == ["fetch", "targets"]
    assert planned(workspace) == {"baselines", *EVALUATE}


def test_another_installed_version_than_the_locked_one_is_refused(workspace: Workspace) -> None:
    TABLE["TensorFlow's version"][0](workspace)
    result = workspace.run("dvc", "repro", ok=False)
    assert result.returncode != 0
    assert re.search(r"(train|evaluate)@(simple|subpixel): tensorflow is 2\..*99\.0\.0", result.stderr)


# === Files that stages open ===

ALWAYS = {
    Path("dvc.yaml"),  # the declarations
    Path("dvc.lock"),  # which outputs a removed variant left
    Path("params.yaml"),  # by key
    Path("environment.yaml"),  # by key
    Path("stages/networks/registry.py"),  # by key
    Path("engine.yaml"),  # changes no result
}


def opened(log: Path, folder: Path) -> set[tuple[str, Path]]:
    """Stages and the files of the repository that they opened; compiled Python counts as its source."""
    rows = (line.split("\t") for line in log.read_text().splitlines())
    inside = [(stage, str(Path(path).relative_to(folder))) for stage, path in rows if Path(path).is_relative_to(folder)]
    return {
        (stage, Path(re.sub(r"__pycache__/(\w+)\.cpython.*", r"\1.py", path)))
        for stage, path in inside
        if not path.startswith("__editable__")  # no file: see `site`
    }


def hidden(log: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stages and files that they opened and neither declare nor write."""
    monkeypatch.chdir(workspace.folder)
    lock = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    files = opened(log, workspace.folder)
    found = set()
    for stage in {stage for stage, _ in files}:
        outs = [Path(out["path"]) for out in lock[stage]["outs"]]
        building = [out.with_name(f".{out.name}.partial") for out in outs]
        own = [running.LOCKS / f"{stage}.lock", running.KEPT / stage]
        allowed = {*ALWAYS, *running.declared(*stage.split("@")).deps, *outs, *building, *own}
        for path in [path for of, path in files if of == stage and not allowed & {path, *path.parents}]:
            package = path.parts[0] in ("stages", "grayscale") and path.name == "__init__.py"  # holds no code
            temporary = re.fullmatch(r"\.\w{16}\.partial", path.name) and path.parent in {out.parent for out in allowed}
            if not (package or temporary):
                found.add((stage, str(path)))
    return sorted(found)


def test_stages_open_no_file_that_they_do_not_declare(
    first_rebuild: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = first_rebuild.folder.with_name("opened.tsv")
    assert hidden(log, first_rebuild, monkeypatch) == []
    seen = opened(log, first_rebuild.folder)
    assert len({stage for stage, _ in seen}) == len(("fetch", "targets", "baselines", "report")) + 2 * len(VARIANTS)
    assert {("train@simple", Path(name)) for name in ("data/pairs/train/index.csv", "stages/train/losses.py")} <= seen
