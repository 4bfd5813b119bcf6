"""Compare the package versions in environment.yaml, on which results depend, with those that are installed.

`python -m stages.common.environment` writes environment.yaml from requirements.lock (part of `make lock`). It leaves
out packages that can't change a result (DVC, test tools), so upgrading those makes no stage stale.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from stages.common.artifacts import write_text
from stages.common.settings import read_yaml

ENVIRONMENT = Path("environment.yaml")
LOCK = Path("requirements.lock")
PYTHON = ">=3.11,<3.14"
PACKAGES = (
    "h5py", "jinja2", "keras", "matplotlib", "ml-dtypes", "numpy", "onnx", "onnxruntime", "pandas", "pillow",
    "pywavelets", "scikit-image", "scikit-learn", "scipy", "tensorflow", "tf2onnx",
)  # fmt: skip


class EnvironmentDiffersError(Exception):
    """An installed package has another version than environment.yaml says."""


def verify(declared: dict[str, str]) -> None:
    """Raise `EnvironmentDiffersError` unless the declared versions are installed; it names each package that differs.

    The form of `declared` is `{"numpy": "2.4.6", "python": ">=3.11,<3.14"}`; `stages/__init__.py` checks Python.
    """
    faults = []
    for name, wanted in declared.items():
        found, where = (wanted, "") if name == "python" else _installed(name)
        if found != wanted:
            faults.append(f"{name} is {found}{where}, {ENVIRONMENT} says {wanted}")
    if faults:
        raise EnvironmentDiffersError(
            f"{'; '.join(faults)}. Install the locked environment with `make setup`, activate it "
            "(`. .venv/bin/activate`), and take other folders off PYTHONPATH"
        )


def _installed(name: str) -> tuple[str, str]:
    """The version of a package, and where it was found."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return "not installed", ""
    return found.version, f" in {found.locate_file('')}"


def locked_versions(lock: str) -> dict[str, str]:
    """The version of each package in the text of a requirements lock."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock, flags=re.MULTILINE))


def render(lock: str) -> str:
    """The text of environment.yaml for the text of a requirements lock."""
    header = "# Versions that results depend on, written by `make lock`; stages declare them as params."
    versions = locked_versions(lock)
    return "\n".join([header, f'python: "{PYTHON}"', *(f"{name}: {versions[name]}" for name in PACKAGES), ""])


def read() -> dict[str, str]:
    """environment.yaml: package → version, `python` → supported range; `SettingsError` if it can't be read."""
    return {name: str(value) for name, value in read_yaml(ENVIRONMENT).items()}


if __name__ == "__main__":
    write_text(ENVIRONMENT, render(LOCK.read_text(encoding="utf-8")))
