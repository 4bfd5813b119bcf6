"""Source `archive`: image files in a zip or tar, on this machine or downloaded."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.common.artifacts import ArtifactError, sha256_of
from stages.common.shards import once
from stages.fetch.download import downloaded, file_name, shown
from stages.fetch.files import plan_files
from stages.fetch.source import ImageFiles, Plan, Skipped
from stages.fetch.unpack import unpack

FILES = "files"  # a folder of its own: members of an archive may have any name, also that of shards.DONE


class Settings(ImageFiles):
    """`inputs` is the archive, unless there are `urls`."""

    urls: list[Annotated[str, Field(pattern=r"^https?://[^/]")]] = Field(default=[])
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def origin(self) -> str:
        return shown(self.urls[0]) if self.urls else self.inputs


def plan(settings: Settings, keep: Path) -> Plan:
    """The files of an archive, unpacked below `keep`; names are paths of members.

    `ArtifactError` if it is missing, has another sha256, or is refused by `downloaded` or `unpack`.
    """
    unpacked = once(_unpacked, settings, keep / "archive")
    found = plan_files(unpacked.folder / FILES, settings, source=_name(settings), licence="see the archive")
    return replace(found, skipped=[*(Skipped(*fault) for fault in unpacked.facts), *found.skipped])


def _unpacked(settings: Settings, folder: Path) -> list[tuple[str, str]]:
    """Unpack the archive below a folder; return what was skipped, and why."""
    return [(fault.name, fault.reason) for fault in unpack(_checked(settings), folder / FILES, _name(settings))]


def _name(settings: Settings) -> str:
    """The same for all mirrors."""
    return file_name(settings.urls[0]) if settings.urls else Path(settings.inputs).name


def _checked(settings: Settings) -> Path:
    if settings.urls:
        return downloaded(settings.urls, settings.sha256)
    path = Path(settings.inputs)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; `inputs` must name a zip or tar, or `urls` where to download it")
    found = sha256_of(path)
    if found != settings.sha256:
        wanted = settings.sha256
        raise ArtifactError(
            f"{path}: sha256 is {found[:12]}…, params.yaml says {wanted[:12]}…; get it again, or correct `sha256`"
        )
    return path
