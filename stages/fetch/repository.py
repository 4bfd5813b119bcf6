"""Source `dvc`: image files of another DVC or git repository, at one commit, as `dvc get` gives them.

The commit is a full hash. A branch or tag would move while params.yaml stays the same: DVC would take the photographs
of yesterday for those of today, and two machines would disagree on what one commit of this repository means.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from stages.artifacts import ArtifactError
from stages.fetch import folder
from stages.fetch.address import origin, shown, without_secrets
from stages.fetch.archive import is_archive
from stages.fetch.photograph import Photograph, Skipped
from stages.settings import Repository


def photographs(settings: Repository) -> Iterator[Photograph | Skipped]:
    """The photographs in the folder `path` of a repository, or the one in the file `path`, and what there is none.

    Raises:
        ArtifactError: there is no such repository, commit or path, the storage behind it lacks the data, or `path` is
            an archive.
    """
    with tempfile.TemporaryDirectory(prefix="photographs-") as temporary:
        fetched = Path(temporary) / "photographs"
        _get(settings, fetched)
        if fetched.is_file() or fetched.is_symlink():  # which is then seen as one, and not read
            fetched = _in_a_folder(fetched, settings.path)
        yield from folder.read(fetched, settings, source=origin(settings), licence="see the repository")


def _get(settings: Repository, to: Path) -> None:
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


def _in_a_folder(file: Path, path: str) -> Path:
    """A folder that holds the one file, under the name that it has in the repository."""
    if is_archive(file):
        raise ArtifactError(f"{path} is an archive; `dvc import` it and name the copy as `inputs` of source archive")
    named = file.with_name("one") / PurePosixPath(path).name
    named.parent.mkdir()
    return file.rename(named).parent
