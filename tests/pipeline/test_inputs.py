"""No hidden inputs: a running stage opens no file of the repository that it does not declare."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import stage as door
from tests.conftest import VARIANTS, Workspace

ALWAYS = {
    Path("dvc.yaml"),  # the declarations
    Path("dvc.lock"),  # which outputs a removed variant left
    Path("params.yaml"),  # by key
    Path("environment.yaml"),  # by key
    Path("stages/networks/registry.py"),  # by key
    Path("engine.yaml"),  # changes no result
    Path(".dvc/tmp/rwlock"),  # whether DVC is still running
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
        own = [door.LOCKS / f"{stage}.lock", door.KEPT / stage]
        allowed = {*ALWAYS, *door.declared(*stage.split("@")).deps, *outs, *building, *own}
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
