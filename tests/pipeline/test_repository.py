"""What the repository promises: no large file, no secret, no dead link, no unsafe shell command or workflow."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY, tracked_files

TRACKED = tracked_files()
FILES = [REPOSITORY / name for name in TRACKED]
PAGES = ["README.md", *(name for name in TRACKED if re.fullmatch(r"docs/.*\.md", name))]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
# An access key of AWS, a private key, tokens of GitHub, a password in a URL unless its host is an example or local.
SECRET = re.compile(
    rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}"
    rb"|\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/:@]+@(?=\w)(?!(?:[\w-]+\.)*(?:example|invalid|localhost|127\.0\.0\.1)\b)"
)
# Paths in backquotes that git does not have: outputs and placeholders.
NOT_IN_GIT = re.compile(r"^(data/|\.dvc/(tmp|cache|config\.local)|~|/|\.\./|https?:)|[<>*…$]|/mine\.")


def test_no_data_model_or_cache_is_committed() -> None:
    unwanted = re.compile(r"\.(keras|h5|npy|npz|zip|pkl|parquet)$|^data/|/__pycache__/|^\.dvc/cache/")
    assert [name for name in TRACKED if unwanted.search(name)] == []
    assert [file.name for file in FILES if file.stat().st_size > 1 << 20] == []


def test_no_file_names_a_home_or_temporary_folder() -> None:
    private = re.compile(rb"(?<![\w.$}])/(home|root|Users|work|tmp)/[a-z]")
    assert [file.name for file in FILES if file.suffix != ".png" and private.search(file.read_bytes())] == []


def test_no_committed_file_holds_a_credential() -> None:
    assert [file.name for file in FILES if SECRET.search(file.read_bytes())] == []
    (config,) = (file for file in FILES if file.parent.name == ".dvc" and file.name == "config")
    assert not re.search(r"(key|token|password|passphrase|secret)\w* *=", config.read_text())
    ignored = ["git", "check-ignore", "--no-index", "--quiet", ".dvc/config.local"]
    assert subprocess.run(ignored, cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_every_link_anchor_and_path_of_a_page_exists(page: str) -> None:
    text = re.sub(r"```.*?```", "", (REPOSITORY / page).read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", text):
        goal = (REPOSITORY / page).parent / target if target else REPOSITORY / page
        assert goal.exists(), target
        if anchor and goal.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", goal.read_text(), flags=re.MULTILINE)
            known = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in known, f"{target}#{anchor}"
    named = [name for name in re.findall(r"`([\w.][\w./-]*/[\w.-]+\.\w+)`", text) if not NOT_IN_GIT.search(name)]
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_ci_and_pre_commit_run_the_checks_of_make_test() -> None:
    hooks = YAML(typ="safe").load(REPOSITORY / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert {hook["entry"] for hook in hooks} == {"make lint", "make test"}
    ci = (REPOSITORY / ".ci/run").read_text().splitlines()
    assert ci.index("make test") < ci.index("make test-all")
    assert "bash .ci/run" in MAKEFILE


def test_every_module_and_public_function_has_a_docstring() -> None:
    silent = []
    for file in [file for file in FILES if file.suffix == ".py" and "tests" not in file.relative_to(REPOSITORY).parts]:
        tree = ast.parse(file.read_text())
        assert ast.get_docstring(tree), file
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                known = node.name == "main" or node.name.startswith("_") or ast.get_docstring(node)
                silent += [] if known else [f"{file.relative_to(REPOSITORY)}: {node.name}"]
    assert silent == []


@pytest.mark.parametrize("value", ["'; touch run; '", '"; touch run; "', "$(touch run)", "`touch run`", "x; touch run"])
def test_make_never_runs_the_value_of_a_variable(tmp_path: Path, value: str) -> None:
    (tmp_path / "Makefile").symlink_to(REPOSITORY / "Makefile")
    (tmp_path / "engine.yaml").symlink_to(REPOSITORY / "engine.yaml")
    (tmp_path / "bin").mkdir()
    for program in ("python", "dvc", "gh", "git"):
        (tmp_path / "bin" / program).write_text(f'#!/bin/sh\necho {program} "$@"\n')
        (tmp_path / "bin" / program).chmod(0o755)
    settings = ("METRIC", "REV", "MARKDOWN", "STUDY", "JOBS", "BUILD", "URL", "ENDPOINT", "PR", "REPAIR")
    environment = {**os.environ, **dict.fromkeys(settings, value)}
    given = ["VENV=.", "RUNTIME=", "DEV=", "REMOTES=", "RAY="]
    targets = "repro study current remote share pull compare review comment trace merge audit bench"
    for target in targets.split():
        command = ["make", "--no-print-directory", target, *given]
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert not (tmp_path / "run").exists(), target


# === Workflows of GitHub Actions ===

WORKFLOWS = {path: YAML(typ="safe").load(path) for path in sorted((REPOSITORY / ".github/workflows").glob("*.yml"))}
STEPS = [step for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() for step in job["steps"]]
USED = re.compile(r"secrets\.(?!\w+ != '')")  # the value of a secret, not the test whether it is set


def test_every_run_block_is_one_make_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*?## ", MAKEFILE, flags=re.MULTILINE)
    runs = [step["run"].split() for step in STEPS if "run" in step]
    assert ["make", "ci"] in runs
    assert [words for words in runs if words[0] != "make" or words[1] not in targets or len(words) > 2] == []


def test_workflows_have_minimal_rights_and_only_steps_that_use_the_remote_get_secrets() -> None:
    for path, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}
        assert "pull_request_target" not in workflow["on"]  # it gives secrets to code from forks
        rights = [job["permissions"] for job in workflow["jobs"].values() if "permissions" in job]
        assert rights == ([{"contents": "read", "pull-requests": "write"}] if path.stem == "review" else [])
    given = [step.get("run") for step in STEPS if USED.search(str(step.get("env")))]
    assert set(given) <= {"make review", "make pull", "make share"}
    assert sum(len(USED.findall(path.read_text())) for path in WORKFLOWS) == 2 * len(given)  # none outside of steps
    for step in [step for step in STEPS if "uses" in step]:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])  # a tag can be moved
        assert "checkout" not in step["uses"] or step["with"]["persist-credentials"] is False
