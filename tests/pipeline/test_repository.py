"""What the repository promises about itself: nothing large, no path of a machine, the same checks everywhere."""

from __future__ import annotations

import ast
import re

from ruamel.yaml import YAML

from tests.conftest import REPOSITORY, tracked_files

TRACKED = tracked_files()
FILES = [REPOSITORY / name for name in TRACKED]


def test_no_data_model_or_cache_is_committed() -> None:
    unwanted = re.compile(r"\.(keras|h5|npy|npz|zip|pkl|parquet)$|^data/(?!\.gitignore)|/__pycache__/|^\.dvc/cache/")
    assert [name for name in TRACKED if unwanted.search(name)] == []
    assert [file.name for file in FILES if file.stat().st_size > 1 << 20] == []


def test_no_file_names_a_home_or_temporary_folder() -> None:
    private = re.compile(rb"(?<![\w.$}])/(home|root|Users|work|tmp)/[a-z]")
    assert [file.name for file in FILES if file.suffix != ".png" and private.search(file.read_bytes())] == []


def test_ci_and_pre_commit_run_the_checks_of_make_test() -> None:
    hooks = YAML(typ="safe").load(REPOSITORY / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    commands = {hook["entry"] for hook in hooks}
    makefile = (REPOSITORY / "Makefile").read_text()
    assert commands == {"make lint", "make test-quick"}
    assert "ruff check" in makefile
    assert "make test" in (REPOSITORY / ".ci/run").read_text()
    assert "bash .ci/run" in makefile
    assert "run: make ci" in (REPOSITORY / ".github/workflows/ci.yml").read_text()


def test_the_long_checks_run_on_a_schedule() -> None:
    workflow = YAML(typ="safe").load(REPOSITORY / ".github/workflows/verify.yml")
    assert workflow["on"]["schedule"]
    assert {"run": "make verify"} in workflow["jobs"]["verify"]["steps"]


def test_every_public_function_says_what_it_does() -> None:
    silent = []
    rooms = ("stages", "tools", "benchmarks")
    for file in sorted(file for room in rooms for file in (REPOSITORY / room).rglob("*.py")):
        tree = ast.parse(file.read_text())
        assert ast.get_docstring(tree), f"{file.name} does not say what lives in it"
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                known = node.name == "main" or node.name.startswith("_") or ast.get_docstring(node)
                silent += [] if known else [f"{file.relative_to(REPOSITORY)}: {node.name}"]
    assert silent == []
