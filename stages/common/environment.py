"""Versions that results depend on: read from environment.yaml, compared with what is installed.

`python -m stages.common.environment` renews environment.yaml from requirements.lock (part of `make lock`). Packages
that can't change a result (DVC, test tools) are not in it, so that raising them makes no stage stale.
"""

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.specifiers import SpecifierSet

from stages.common.artifacts import write_text
from stages.common.settings import read_yaml

ENVIRONMENT = Path("environment.yaml")
LOCK = Path("requirements.lock")
PYTHON = ">=3.11,<3.14"
PACKAGES = (
    "h5py", "jinja2", "keras", "matplotlib", "ml-dtypes", "numpy", "onnx", "onnxruntime", "pandas", "pillow",
    "scikit-image", "scikit-learn", "scipy", "tensorflow", "tf2onnx",
)  # fmt: skip


class EnvironmentDiffersError(Exception):
    """An installed package is not the one that the lock names."""


def verify(declared: dict[str, str]) -> None:
    """Compare installed versions with declared ones, `{"numpy": "2.4.6", "python": ">=3.11,<3.14"}`.

    `EnvironmentDiffersError` names every package that differs, with both versions and where it was found.
    """
    faults = []
    for name, wanted in declared.items():
        found, where = (platform.python_version(), sys.executable) if name == "python" else _installed(name)
        agrees = found in SpecifierSet(wanted) if name == "python" else found == wanted
        if not agrees:
            faults.append(f"{name} is {found}{f' in {where}' if where else ''}, {ENVIRONMENT} says {wanted}")
    if faults:
        raise EnvironmentDiffersError(
            f"{'; '.join(faults)}. Install the locked environment with `make setup`, activate it "
            "(`. .venv/bin/activate`), and take other folders off PYTHONPATH"
        )


def _installed(name: str) -> tuple[str, str]:
    """The version of a package, and the folder that Python takes it from."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return "not installed", ""
    return found.version, str(found.locate_file(""))


def locked_versions(lock: str) -> dict[str, str]:
    """The version of each package in the text of a requirements lock."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock, flags=re.MULTILINE))


def render(lock: str) -> str:
    """The text of environment.yaml for the text of a requirements lock."""
    versions = locked_versions(lock)
    lines = [f"{name}: {versions[name]}" for name in PACKAGES]
    header = "# Versions that results depend on, written by `make lock`; stages declare them as params.\n"
    return header + f'python: "{PYTHON}"\n' + "\n".join(lines) + "\n"


def read() -> dict[str, str]:
    """The content of environment.yaml: package → version, and `python` → the range that is supported.

    Raises:
        SettingsError: there is no such file, or it is no YAML.
    """
    return {name: str(value) for name, value in read_yaml(ENVIRONMENT).items()}


if __name__ == "__main__":
    write_text(ENVIRONMENT, render(LOCK.read_text(encoding="utf-8")))
