"""environment.yaml has the versions of the lock, and other versions are refused."""

import re
import tomllib
from pathlib import Path

import pytest

from stages.common import environment
from stages.common.environment import EnvironmentDiffersError
from tests.conftest import REPOSITORY

RUNTIME = (REPOSITORY / "requirements.lock").read_text()
REMOTES = (REPOSITORY / "requirements-remotes.lock").read_text()
CLUSTER = (REPOSITORY / "requirements-ray.lock").read_text()
DEVELOPMENT = (REPOSITORY / "requirements-dev.lock").read_text()


def test_environment_yaml_matches_the_lock_pyproject_and_what_is_installed() -> None:
    assert (REPOSITORY / "environment.yaml").read_text() == environment.render(RUNTIME)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == environment.PYTHON == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (REPOSITORY / "stages/__init__.py").read_text()
    environment.verify(environment.read())


def test_locks_agree_on_versions_and_have_hashes_and_no_urls() -> None:
    runtime, remotes, cluster, development = map(environment.locked_versions, (RUNTIME, REMOTES, CLUSTER, DEVELOPMENT))
    for more in (remotes, cluster):
        assert runtime.items() < more.items() < development.items()
        assert "pytest" not in more
    assert "ray" in cluster
    for lock in (RUNTIME, REMOTES, CLUSTER, DEVELOPMENT):
        assert "://" not in lock
        entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
        assert len(entries) > 100
        assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_package_that_differs_is_named_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pillow-1.0.dist-info").mkdir()
    (tmp_path / "pillow-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: pillow\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EnvironmentDiffersError) as caught:
        environment.verify({"pillow": "2.0", "no-such-package": "2.0"})
    for words in (f"pillow is 1.0 in {tmp_path}", "environment.yaml says 2.0", "no-such-package is not installed"):
        assert words in str(caught.value)
    assert re.search(". Install .* `make setup`, .* off PYTHONPATH", str(caught.value))
