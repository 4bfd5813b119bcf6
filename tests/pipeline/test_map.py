"""dvc.yaml declares exactly the code and packages that each stage imports; studies take their inputs from it."""

import ast
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import environment, stage
from stages.study import inputs, runs, table
from tests.conftest import REPOSITORY

PIPELINE = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["stages"]
PARAMS = YAML(typ="safe").load(REPOSITORY / "params.yaml")
PARAMS["test_sets"] = {"kodak": PARAMS["fetch"]}  # the committed params have none
VARIANTS = PARAMS["variants"]
RUNS = YAML(typ="safe").load(REPOSITORY / runs.PARAMS)["runs"]
ONE_RUN_EACH = {run["variant"]: name for name, run in RUNS.items()}  # deps of other runs are the same
DISTRIBUTIONS = packages_distributions()
# Stages in another stage's folder.
ROOMS = {"baselines": "evaluate", "run": "study", "fetch_set": "fetch", "evaluate_set": "evaluate"}

BY_KEY = {Path("stages/networks/registry.py")}  # a literal; stages declare the key of their own network
SHARED_BY_NETWORKS = {Path("stages/networks/layers.py")}  # all variants depend on it
INSTANCES = [
    (name, item)
    for name, entry in PIPELINE.items()
    for item in (PARAMS[entry["foreach"].strip("${}")] if "foreach" in entry else [None])
]
INSTANCES_AND_RUNS = [*INSTANCES, *(("run", name) for name in ONE_RUN_EACH.values())]


def declared(name: str, item: str | None) -> stage.Declaration:
    return inputs.declaration(str(item), RUNS[item]["variant"]) if name == "run" else stage.declared(name, item)


def network_file(name: str, item: str) -> Path:
    """The network of a variant or a run, which is imported by name."""
    network = VARIANTS[RUNS[item]["variant"] if name == "run" else item]["network"]
    return Path(f"stages/networks/{network}.py")


@pytest.fixture(autouse=True)
def _in_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of the repository with `PARAMS`."""
    for path in REPOSITORY.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "params.yaml").unlink()
    YAML().dump(PARAMS, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)


def module_file(name: str) -> Path | None:
    path = Path(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache  # the working directory changes, its files do not
def names(file: Path) -> set[str]:
    """The modules that a file imports anywhere, and the names that it imports from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def imports(file: Path) -> set[Path]:
    """First-party files that a file imports."""
    ours = {module_file(name) for name in names(file) if name.startswith(("stages", "grayscale"))}
    return {found for found in ours if found}


def closure(start: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += [] if file.name == "__init__.py" else imports(file)
    return seen


def is_docstring_only(file: Path) -> bool:
    body = ast.parse(file.read_text()).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def libraries(files: set[Path]) -> set[str]:
    """The packages that files import."""
    tops = {name.split(".")[0] for file in files for name in names(file)}
    return {distribution.lower() for top in tops for distribution in DISTRIBUTIONS.get(top, [])}


def main_file(name: str) -> Path:
    return Path("stages") / ROOMS.get(name, name) / ("test_sets.py" if name == "evaluate_set" else "__main__.py")


def needed_by(name: str, item: str | None) -> set[Path]:
    """The code that a stage imports, without `__init__.py`, which holds none."""
    needed = closure(main_file(name)) - BY_KEY
    if name in ("fetch", "fetch_set"):  # sources are imported by name
        needed |= {found for source in Path("stages/fetch/sources").glob("*.py") for found in closure(source)} - BY_KEY
    if name in ("train", "evaluate", "run"):
        needed |= closure(network_file(name, str(item))) | SHARED_BY_NETWORKS
    if name == "evaluate_set":
        needed |= {*Path("stages/networks").glob("*.py")} - BY_KEY
    return {file for file in needed if file.name != "__init__.py"}


@pytest.mark.parametrize(("name", "item"), INSTANCES_AND_RUNS)
def test_a_stage_declares_exactly_the_code_that_it_imports(name: str, item: str | None) -> None:
    code = [
        dep for dep in declared(name, item).deps if dep.parts[0] in ("stages", "grayscale") and dep.suffix != ".csv"
    ]
    needed = needed_by(name, item)
    assert [file for file in needed if not any(dep in (file, *file.parents) for dep in code)] == []
    assert [dep for dep in code if not any(dep in (file, *file.parents) for file in needed)] == []


def test_init_files_hold_no_code_but_the_check_of_the_environment() -> None:
    files = [*Path("stages").rglob("__init__.py"), Path("grayscale/core/__init__.py")]
    assert len(files) > 5
    assert [file for file in files if not is_docstring_only(file)] == [Path("stages/__init__.py")]
    assert imports(Path("stages/__init__.py")) == libraries({Path("stages/__init__.py")}) == set()


def test_the_registry_is_a_literal_and_declared_by_key() -> None:
    documentation, assignment = ast.parse(Path("stages/networks/registry.py").read_text()).body
    assert isinstance(documentation, ast.Expr)
    assert isinstance(assignment, ast.AnnAssign)
    ast.literal_eval(assignment.value)  # type: ignore[arg-type]
    assert {"stages/networks/registry.py": ["NETWORKS.${item.network}"]} in PIPELINE["train"]["do"]["params"]


def test_stages_import_only_from_earlier_stages_and_the_library_from_none() -> None:
    order = ["common", "formats", "fetch", "targets", "networks", "train", "evaluate"]
    for folder in [*order, "report", "study"]:
        allowed = {folder, *(order[: order.index(folder)] if folder in order else order)}
        for file in Path("stages", folder).rglob("*.py"):
            others = {found for found in imports(file) - BY_KEY if found.parts[0] == "stages"}
            assert {found.parts[1] for found in others if len(found.parts) > 2} <= allowed, file
    for file in Path("grayscale").rglob("*.py"):
        assert {found for found in imports(file) if found.parts[0] == "stages"} == set(), file


def test_only_evaluations_read_test_data_and_only_the_report_reads_studies() -> None:
    deps = [(name, dep) for name, item in INSTANCES for dep in declared(name, item).deps]
    assert {name for name, dep in deps if "test" in dep.parts} == {"baselines", "evaluate"}
    assert {name for name, dep in deps if "test_sets" in dep.parts} == {"evaluate_set"}
    assert {name for name, dep in deps if dep == Path("data/pairs")} == set()
    assert {name for name, dep in deps if dep == table.TABLE} == {"report"}


def test_stages_have_descriptions_and_artifacts_are_models_of_variants() -> None:
    pipeline = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")
    for name, entry in pipeline["stages"].items():
        assert len(entry.get("do", entry)["desc"].split()) > 5, name
    for name, artifact in pipeline["artifacts"].items():
        assert name in VARIANTS
        assert (artifact["path"], artifact["type"]) == (f"data/models/{name}/model.onnx", "model")


@pytest.mark.parametrize(("name", "item"), INSTANCES_AND_RUNS)
def test_every_stage_declares_python_and_the_packages_that_it_imports(name: str, item: str | None) -> None:
    packages = set(declared(name, item).packages)
    code = needed_by(name, item)
    if name == "baselines":  # networks are imported for variants only
        lazily = ("evaluate/networks.py", "train/build.py", "train/precision.py")
        code -= {*map(Path("stages").joinpath, lazily), *SHARED_BY_NETWORKS}
    if name == "report":  # it uses the names of the measures, not the measures
        code -= {Path("stages/evaluate/measures.py")}
    used = libraries(code) & set(environment.PACKAGES)
    assert {"python", *used} <= packages
    indirect = {"h5py", "ml-dtypes", "keras", "pywavelets", "tensorflow", "tf2onnx"}  # of other packages
    assert packages - used - {"python"} <= indirect
    assert ("tensorflow" in packages) == (name in {"train", "evaluate", "evaluate_set", "run"})


def test_modules_that_start_every_stage_import_no_heavy_package() -> None:
    heavy = {"tensorflow", "keras", "sklearn", "skimage", "matplotlib"}
    common = (f"stages/common/{name}.py" for name in ("stage", "settings", "artifacts", "environment"))
    for file in map(Path, (*common, "stages/networks/registry.py", "stages/study/runs.py")):
        for found in closure(file):
            top = [node for node in ast.parse(found.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
            modules = [getattr(node, "module", None) or alias.name for node in top for alias in node.names]
            assert not {module.split(".")[0] for module in modules} & heavy, found
