"""Source `dvc`: image files of another DVC or git repository at one commit, from `dvc get`.

The configuration of that repository could make DVC run programs, and its imports could name files of this machine. So
only the URLs of its remotes are used, and its imports are deleted.
"""

import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pydantic import Field
from tqdm import tqdm

from stages.common.artifacts import ArtifactError
from stages.common.settings import SettingsError, read_yaml
from stages.common.shards import once
from stages.fetch.download import shown, without_secrets
from stages.fetch.files import plan_files
from stages.fetch.source import ImageFiles, Plan

ERRORS = ("ERROR:", "fatal:", "dvc:")  # how DVC, git and stages.common.dvc begin the reason for a failure


class Settings(ImageFiles):
    """A file or folder `path` of the repository `url` at the commit `rev`."""

    url: str = Field(min_length=1)
    path: str = Field(min_length=1)
    rev: str = Field(pattern=r"^[0-9a-f]{40}$")

    @property
    def origin(self) -> str:
        return f"{shown(self.url)}: {self.path}"


def plan(settings: Settings, keep: Path) -> Plan:
    """The files in the folder `path` of a repository, or the one file `path`; `ArtifactError` if that fails."""
    files = once(_get, settings, keep / "repository").folder
    below = files / _name(settings)
    top = below if below.is_dir() else files
    return plan_files(top, settings, source=settings.origin, licence="see the repository")


def _name(settings: Settings) -> str:
    return PurePosixPath(settings.path).name or "files"  # "." has none


def _get(settings: Settings, folder: Path) -> None:
    """Get `path` into `folder`."""
    to = folder / _name(settings)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        clone = Path(temporary) / "clone"
        origin = str(Path(settings.url).absolute()) if Path(settings.url).exists() else settings.url
        no_links = ["-c", "core.symlinks=false", "-c", "protocol.ext.allow=never"]
        _run(settings, ["git", *no_links, "clone", "--quiet", "--no-checkout", "--", origin, str(clone)], to)
        _run(settings, ["git", *no_links, "-C", str(clone), "checkout", "--quiet", "--detach", settings.rev], to)
        _remove_configuration(clone, origin)
        command = [sys.executable, "-m", "stages.common.dvc", "get", "--out", str(to)]
        _run(settings, [*command, "--", str(clone), settings.path], to)


def _remove_configuration(clone: Path, origin: str) -> None:
    """Keep only the URLs of remotes in each `.dvc` folder; delete the `.dvc` files of imports, and unfit YAML."""
    for path in sorted(clone.rglob("*")):
        if path.suffix in (".dvc", ".yaml", ".yml", ".lock") and path.is_file():
            try:
                unfit = "deps" in read_yaml(path) and path.suffix == ".dvc"
            except (SettingsError, TypeError):  # DVC could not read it either, or could not stop expanding it
                unfit = True
            if unfit:
                path.unlink()
    for folder in sorted(path for path in clone.rglob(".dvc") if path.is_dir()):
        config = configparser.RawConfigParser(strict=False, default_section="")
        try:
            config.read(folder / "config", encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            config.clear()
        shutil.rmtree(folder)
        folder.mkdir()
        here = Path(origin.removeprefix("file://"), folder.relative_to(clone))  # relative paths start here
        kept = configparser.RawConfigParser()
        kept["core"] = {"remote": _line(config, "core", "remote")}
        for section in config.sections():
            if section.strip("'").startswith("remote ") and (url := _line(config, section, "url")):
                kept[section] = {"url": url if "://" in url else os.path.normpath(here / url)}
        if not kept["core"]["remote"]:  # a local repository may have its data only in its cache
            kept["core"]["remote"] = "cache"
            kept["'remote \"cache\"'"] = {"url": str(here / "cache")}
        with (folder / "config").open("w", encoding="utf-8") as file:
            kept.write(file)


def _line(config: configparser.RawConfigParser, section: str, key: str) -> str:
    """The first line of a value; further lines would become keys when written."""
    return config.get(section, key, fallback="").partition("\n")[0]


def _run(settings: Settings, command: list[str], to: Path) -> None:
    """Run a command that fills the file or folder `to`, with a progress bar; `ArtifactError` if it fails."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0"},  # a stage can't ask for a password
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    errors = None
    with process, tqdm(desc="dvc get", unit="B", unit_scale=True, disable=None, leave=False) as bar:
        try:
            while errors is None:
                with suppress(subprocess.TimeoutExpired):
                    _, errors = process.communicate(timeout=1)
                if not bar.disable:
                    bar.update(max(0, _size(to) - bar.n))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        reasons = [line for line in errors.splitlines() if line.startswith(ERRORS)] or ["no message"]
        message = reasons[-1].split(": ", 1)[-1]
        raise ArtifactError(
            f"{shown(settings.url)}: `dvc get` of {settings.path!r} at {settings.rev[:12]}… failed: "
            f"{without_secrets(message, settings.url)}; check `url`, `path` and `rev`, and that the data was pushed"
        )


def _size(path: Path) -> int:
    """Bytes in a file or folder that another process is writing."""
    try:
        return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
    except OSError:  # a file was moved meanwhile
        return 0
