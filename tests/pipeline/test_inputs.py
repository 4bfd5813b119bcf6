"""No hidden inputs: every file of the repository that a stage opens while it runs is one that it declares."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.common import stage as door
from tests.conftest import OPENED, REPOSITORY, VARIANTS, Workspace

ALWAYS = {
    Path("dvc.yaml"),  # where the declarations stand
    Path("dvc.lock"),  # what removed variants have left to be removed; no result
    Path("params.yaml"),  # by key
    Path("environment.yaml"),  # by key
    Path("stages/networks/registry.py"),  # by key
    Path("engine.yaml"),  # where it computes, never what comes out
    Path(".dvc/tmp/rwlock"),  # is DVC still there
    Path("dvc.lock"),  # which outputs a removed variant left behind
}
PACKAGES = {
    path.relative_to(REPOSITORY)
    for path in [*REPOSITORY.glob("stages/**/__init__.py"), *REPOSITORY.glob("grayscale/**/__init__.py")]
}  # they hold no code


def opened(log: Path, folder: Path) -> set[tuple[str, Path]]:
    """Stage and file, relative to the repository; compiled Python counts as its source."""
    rows = (line.split("\t") for line in log.read_text().splitlines())
    inside = {(stage, Path(path).relative_to(folder)) for stage, path in rows if Path(path).is_relative_to(folder)}
    inside = {
        (stage, path) for stage, path in inside if not path.name.startswith("__editable__")
    }  # no file: see `site`
    return {(stage, Path(re.sub(r"__pycache__/(\w+)\.cpython.*", r"\1.py", str(path)))) for stage, path in inside}


def declared(stage: str, lock: dict[str, Any]) -> set[Path]:
    """Files and folders that a stage may open, those that it builds among them."""
    outs = {Path(out["path"]) for out in lock["stages"][stage]["outs"]}
    building = {out.with_name(f".{out.name}.partial") for out in outs}
    own = {door.LOCKS / f"{stage}.lock", door.KEPT / stage}
    return {*ALWAYS, *door.declared(*stage.split("@")).deps, *outs, *building, *own}


def hidden(log: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.chdir(workspace.folder)
    lock = YAML(typ="safe").load(Path("dvc.lock"))
    found = opened(log, workspace.folder)
    known = {stage: declared(stage, lock) for stage in {stage for stage, _ in found}}
    return sorted(
        (stage, str(path))
        for stage, path in found
        if not known[stage] & {path, *path.parents}
        and not (re.fullmatch(r"\.\w{16}\.partial", path.name) and path.parent in {out.parent for out in known[stage]})
        and not (path.parts[0] in ("stages", "grayscale") and path.name == "__init__.py")
    )


def test_stages_open_no_file_that_they_do_not_declare(
    first_rebuild: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = first_rebuild.folder.with_name("opened.tsv")
    assert hidden(log, first_rebuild, monkeypatch) == []
    seen = opened(log, first_rebuild.folder)
    assert len({stage for stage, _ in seen}) == len(("fetch", "targets", "baselines", "report")) + 2 * len(VARIANTS)
    assert {("train@simple", Path(name)) for name in ("data/pairs/train/index.csv", "stages/train/losses.py")} <= seen


def test_a_file_that_is_read_in_secret_is_caught(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = workspace.folder / "grayscale/conversions.py"
    code.write_text(code.read_text() + '\nwith open("README.md") as file:\n    SECRET = len(file.read())\n')
    log = tmp_path / "opened.tsv"
    workspace.run("dvc", "repro", "targets", PYTHONPATH=str(OPENED), OPENED_FILES=str(log))
    assert hidden(log, workspace, monkeypatch) == [("targets", "README.md")]
