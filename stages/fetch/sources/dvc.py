"""Source `dvc`: image files of another DVC or git repository, at one commit, as `dvc get` gives them.

The commit is a full hash. A branch or tag would move while params.yaml stays the same: DVC would take the photographs
of yesterday for those of today, and two machines would disagree on what one commit of this repository means.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

from pydantic import Field
from tqdm import tqdm

from stages.common.artifacts import ArtifactError
from stages.fetch.download import once, shown, without_secrets
from stages.fetch.files import plan_files
from stages.fetch.photograph import Plan
from stages.fetch.settings import ImageFiles
from stages.fetch.unpack import is_archive


class Settings(ImageFiles):
    """A file or folder `path` of the repository `url` at the commit `rev`."""

    url: str = Field(min_length=1)
    path: str = Field(min_length=1)
    rev: str = Field(pattern=r"^[0-9a-f]{40}$")

    @property
    def origin(self) -> str:
        return f"{shown(self.url)}: {self.path}"


def plan(settings: Settings, keep: Path) -> Plan:
    """The files in the folder `path` of a repository, or the one file `path`, fetched to below `keep`.

    Raises:
        ArtifactError: there is no such repository, commit or path, the storage behind it lacks the data, or `path` is
            an archive.
    """
    name = PurePosixPath(settings.path).name or "files"  # "." has none
    files, _ = once(keep / "repository", lambda to: _get(settings, to / name))
    if (files / name).is_dir() and not (files / name).is_symlink():
        files = files / name
    elif is_archive(files / name):
        raise ArtifactError(f"{name} is an archive; `dvc import` it and name the copy as `inputs` of source archive")
    return plan_files(files, settings, source=settings.origin, licence="see the repository")


def _get(settings: Settings, to: Path) -> None:
    to.parent.mkdir()
    command = [sys.executable, "-m", "dvc", "get", "--rev", settings.rev, "--out", str(to)]
    process = subprocess.Popen(
        [*command, "--", settings.url, settings.path],
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0"},  # a stage can't ask for a password
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    with process, tqdm(desc="dvc get", unit="B", unit_scale=True, disable=None, leave=False) as bar:
        try:
            while True:
                try:
                    _, errors = process.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if not bar.disable:
                        bar.update(max(0, _size(to) - bar.n))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        said = [line for line in errors.splitlines() if line.startswith("ERROR:")] or ["ERROR: it says nothing"]
        message = without_secrets(said[-1].removeprefix("ERROR: "), settings.url)
        raise ArtifactError(
            f"{shown(settings.url)}: `dvc get` of {settings.path!r} at {settings.rev[:12]}… failed: {message}; "
            "check `url`, `path` and `rev`, and that the data was pushed"
        )


def _size(path: Path) -> int:
    """Bytes so far in a file or folder that another process writes."""
    try:
        return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
    except OSError:  # moved while it was counted
        return 0
