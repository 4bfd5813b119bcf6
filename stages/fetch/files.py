"""Read the image files below a folder, for every source that has one; `grayscale.decode` decodes them."""

import errno
import os
import platform
from functools import partial
from pathlib import Path

from tqdm import tqdm

from grayscale import decode
from grayscale.decode import IMAGES
from grayscale.reading.names import shown, walk
from stages.common.artifacts import ArtifactError
from stages.fetch.source import ImageFiles, Photograph, Plan, Skipped
from stages.formats.manifest import SPLITS

MACHINE_ERRORS = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EMFILE,
    errno.ENFILE,
)  # fmt: skip  # errors of the file system, not of an image


def plan_files(folder: Path, settings: ImageFiles, *, source: str, licence: str) -> Plan:
    """Plan to read every file below `folder`, sorted by its relative path; hidden files and folders are ignored.

    Symbolic links to files are read: DVC hashes their targets, and may itself link files to its cache. Links to folders
    are not followed. Reading raises `ArtifactError` if memory runs out or the file system fails.
    """
    names, closed = walk(folder)
    skipped = [Skipped(shown(name), reason) for name, reason in closed]
    wanted: list[str] = []
    for name in tqdm(names, desc="listing files", unit="file", disable=None, delay=2, leave=False):
        if refused := _refusal(folder, name, settings):
            skipped.append(refused)
        else:
            wanted.append(name)
    sizes = [(folder / name).stat().st_size for name in wanted]
    return Plan(partial(_read, folder, settings, source, licence), wanted, sizes, skipped)


def _refusal(folder: Path, name: str, settings: ImageFiles) -> Skipped | None:
    """Why a file is skipped without reading it."""
    if Path(name).suffix.lower() not in IMAGES:
        return Skipped(shown(name), "no image by its extension", fault=False)
    if shown(name) != name:  # unsafe in tables and on terminals
        return Skipped(shown(name), "its name holds control characters or bytes that are not UTF-8")
    if not (folder / name).exists():
        return Skipped(name, "a symbolic link to nowhere")
    if not os.access(folder / name, os.R_OK):
        return Skipped(name, "no permission to read it")
    if _by_subfolder(settings) and name.split("/")[0] not in SPLITS:
        return Skipped(name, f"not in one of the folders {', '.join(SPLITS)}")
    return None


def _read(folder: Path, settings: ImageFiles, source: str, licence: str, name: str) -> Photograph | Skipped:
    red, green, blue = settings.matte
    try:
        pixels = decode.read(folder / name, (red, green, blue))
    except decode.DecodeError as error:
        cause = error.__cause__
        if isinstance(cause, MemoryError):  # skipping the file would make the result depend on this machine
            raise ArtifactError(f"{name}: {error}; free some, or make the image smaller") from error
        if isinstance(cause, OSError) and cause.errno in MACHINE_ERRORS:
            raise ArtifactError(f"{folder / name} can't be read on {platform.node()}: {cause.strerror}") from error
        return Skipped(name, str(error))
    side = name.split("/")[0] if _by_subfolder(settings) else None
    return Photograph(name, pixels, source, licence, settings.domain, side)


def _by_subfolder(settings: ImageFiles) -> bool:
    return settings.split is not None and settings.split.by == "subfolder"
