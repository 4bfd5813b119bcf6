"""Find the photographs to convert, choose their output paths, and write gray images with metadata."""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from grayscale import exif
from grayscale.core.atomic import atomic
from grayscale.decode import IMAGES, lenient_pillow
from grayscale.reading import png
from grayscale.reading.names import walk

FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}  # of outputs
MARK = ".gray"  # before the extension of an output
JPEG_QUALITY = 95
MAX_DPI = 65535  # in JPEG
MAX_JPEG_SIDE = 65500  # pixels
MAX_JPEG_EXIF = 65533  # bytes in one marker
MAX_NAME = 255  # bytes of a file name, on nearly every file system
MADE_FROM = "Made from"  # the keyword of an output's text that names its photograph
HERE = hashlib.sha256(b".").hexdigest()[:12]  # the folder of outputs beside their photographs


class FilesError(Exception):
    """An input or output path can't be used; the message names it."""


@dataclass(frozen=True)
class Job:
    """A photograph and its output file."""

    source: Path
    target: Path


def plan(inputs: Iterable[Path], output: Path | None, *, folder: bool = False) -> list[Job]:
    """Every photograph among `inputs`, files or folders, with its output file.

    `photo.jpg` becomes `photo.gray.png` beside it; with `output`, that file if the input is one file and `output` has
    an extension, else a file in the folder `output`, which gets the tree of an input folder. Where two photographs
    would share an output, as `a.jpg` and `a.png` would, their outputs keep the extension: `a.jpg.gray.png`. Where this
    is not enough, as for `1/a.jpg` and `2/a.jpg` in one `output`, they get a hash of the photograph's folder as seen
    from the output: `a.jpg~0123456789ab.gray.png`. A photograph that already has an output keeps it.

    Ignored are hidden files in folders, files marked as gray, files in the output folder, and files that were made from
    another photograph. A photograph that is named twice is converted once. `folder`: `output` is a folder, whatever its
    name.

    Raises:
        FilesError: an input does not exist, an output would replace an original, directly or through a link, or the
            output format is not supported.
    """
    inputs = _once_each(inputs)
    if output and ".." in output.parts and not output.exists():  # "new/../a.jpg" will, as soon as "new" is made
        output = output.resolve()
    if output and not folder and len(inputs) == 1 and inputs[0].is_file() and output.suffix and not output.is_dir():
        if output.suffix.lower() not in FORMATS:
            raise FilesError(f"{output}: gray is written as {', '.join(FORMATS)}")
        jobs = [Job(inputs[0], output)]
    else:
        if output and output.exists() and not output.is_dir():
            raise FilesError(f"{output}: is a file; with several photographs, --output is a folder")
        places: dict[Path, Path] = {}  # source → its output, before the mark and extension are added
        for path in inputs:
            top, sources = (path, _photographs(path, output)) if path.is_dir() else (path.parent, [path])
            places |= {source: (output / source.relative_to(top)) if output else source for source in sources}
        jobs = [Job(source, target) for source, target in _targets(places).items()]
    _refuse_to_replace_originals(jobs)
    return jobs


def closed_folders(inputs: Iterable[Path]) -> dict[Path, str]:
    """The folders among and below `inputs` that are not searched, and why."""
    return {folder / name: reason for folder in inputs if folder.is_dir() for name, reason in walk(folder)[1]}


def _once_each(inputs: Iterable[Path]) -> list[Path]:
    """Without duplicates, and without outputs, which `*.png` matches, unless nothing else is named."""
    named = {path.parent.resolve() / path.name: path for path in reversed(list(inputs))}
    paths = list(reversed(named.values()))
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise FilesError(f"{path}: not found")
    return [path for path in paths if not (path.stem.endswith(MARK) and _original(path))] or paths


def _photographs(folder: Path, output: Path | None) -> list[Path]:
    """The originals in a folder: nothing marked as gray, and nothing in an output folder inside it."""
    outputs = output.resolve() if output and folder.resolve() in output.resolve().parents else None
    return [
        path
        for path in (folder / name for name in walk(folder)[0])
        if path.suffix.lower() in IMAGES
        and not path.stem.endswith(MARK)
        and not (outputs and outputs in (path.parent.resolve() / path.name).parents)
    ]


def _targets(places: Mapping[Path, Path]) -> dict[Path, Path]:
    """Each photograph's output: the one that it has, else the first of its `_names` that is free.

    A name is not free if another photograph has it as its output or may get it: the first is compared with all names of
    the others, the second with their last two. The last is always free.
    """
    names: dict[Path, list[Path]] = {}
    for source, place in places.items():
        folder = _folder(source.parent, place.parent)
        owners = {target: _original(target) for target in _names(place, folder)}
        own = [target for target, owner in owners.items() if owner == _record(source, folder)]
        names[source] = own[:1] or [target for target, owner in owners.items() if owner is None] or [*owners][-1:]

    def key(target: Path) -> str:
        return str(target).casefold()  # some file systems ignore case

    rivals = {least: Counter(key(target) for some in names.values() for target in some[-least:]) for least in (2, 3)}
    found = {}
    for source, targets in names.items():
        numbered = zip(range(len(targets), 1, -1), targets, strict=False)  # from the end; the last is always free
        found[source] = next((target for left, target in numbered if rivals[left][key(target)] == 1), targets[-1])
    return found


def _names(place: Path, folder: str) -> list[Path]:
    """The names that a photograph's output may have, in order of preference."""
    return [_marked(place, stem) for stem in (place.stem, place.name, f"{place.name}~{folder}")]


def _marked(place: Path, stem: str) -> Path:
    """The output beside `place`; a name that would be too long is cut and gets a hash of all of it."""
    ending, stored = f"{MARK}.png", os.fsencode(stem)
    if len(stored) + len(ending) > MAX_NAME:
        mark = f"~{_hash(stem)}"
        stem = stored[: MAX_NAME - len(ending) - len(mark)].decode("utf-8", "ignore") + mark
    return place.with_name(f"{stem}{ending}")


def _record(source: Path, folder: str) -> str:
    """What an output stores of its photograph, in ASCII: its name, and its `_folder` if that is another."""
    name = ascii(source.name)[1:-1]
    return name if folder == HERE else f"{name}~{folder}"


def _folder(source: Path, output: Path) -> str:
    """A hash of the path from `output` to `source`: it stays if both are moved together, and tells no folder's name."""
    source, output = source.resolve(), output.resolve()
    return _hash(os.path.relpath(source, output) if source.drive == output.drive else str(source))


def _hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _original(target: Path) -> str | None:
    """The photograph that an output was made from, as `_record` names it; None if it is not stored or not there."""
    if not target.is_file():  # opening a FIFO would block
        return None
    try:
        with lenient_pillow(), Image.open(target, formats=["PNG"]) as image:
            return image.info.get(MADE_FROM)
    except Exception:  # Pillow raises anything for a damaged file
        return None


def _refuse_to_replace_originals(jobs: list[Job]) -> None:
    def identity(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_dev, status.st_ino

    originals = {identity(job.source): job.source for job in jobs if job.source.exists()}
    places = set()
    for job in jobs:
        if job.target.exists() and (original := originals.get(identity(job.target))):
            raise FilesError(f"{job.target} is the original {original}; name another --output")
        place = job.target.parent.resolve() / job.target.name
        if place in places:
            raise FilesError(f"{place}: two photographs would be written there; give each an --output of its own")
        places.add(place)


def metadata(file: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Resolution and EXIF of an image file, for its upright gray image of `size` `(width, height)`; decodes no pixel.

    Returns `dpi`, pixels per inch `(x, y)`, and `exif`, an `Exif`. Missing, damaged and impossible values are left out.
    EXIF is without thumbnail, maker note and tags about the file's colour samples; its orientation is upright.

    Raises:
        OSError: the file can't be opened.
    """
    with lenient_pillow(), Image.open(file) as image:
        dpi, block, kind = image.info.get("dpi"), image.info.get("exif", b""), image.format
    with file.open("rb") as opened:
        block = png.exif(opened) if kind == "PNG" else block
        found = exif.read(opened if kind == "TIFF" else io.BytesIO(block.removeprefix(exif.HEAD)))
    fitted = exif.fitted(found, size)
    kept: dict[str, Any] = {"exif": fitted} if fitted.main else {}
    with suppress(TypeError, ValueError, ZeroDivisionError):
        across, down = (float(value) for value in dpi or ())
        if 0 < across <= MAX_DPI and 0 < down <= MAX_DPI:
            kept["dpi"] = (down, across) if found.is_turned else (across, down)
    return kept


def refuse(path: Path, size: tuple[int, int]) -> None:
    """Raise `FilesError` if no file can be written at `path`, or its format can't hold an image of `size`."""
    if path.exists() and not path.is_file():
        raise FilesError(f"{path} exists and is no file; move it, or name another --output")
    if FORMATS[path.suffix.lower()] == "JPEG" and max(size) > MAX_JPEG_SIDE:
        raise FilesError(f"JPEG holds at most {MAX_JPEG_SIDE:,} pixels a side; write .png or .tif")


def write(path: Path, gray: np.ndarray, kept: Mapping[str, Any], source: Path) -> str | None:
    """Write an image file atomically; returns a note about metadata that did not fit, if any.

    Args:
        path: its extension, one of `FORMATS`, is its format.
        gray: `(height, width)` uint8, or uint16 for PNG and TIFF; sRGB-encoded.
        kept: as `metadata` returns it.
        source: the photograph, whose name a PNG stores.

    Raises:
        FilesError: the file can't be written.
    """
    kind = FORMATS[path.suffix.lower()]
    options, note = dict(kept), None
    details = options.pop("exif", None)
    if kind == "PNG":
        chunks = PngInfo()
        chunks.add(b"sRGB", bytes([1]))  # relative colorimetric
        chunks.add_text(MADE_FROM, _record(source, _folder(source.parent, path.parent)))
        options["pnginfo"] = chunks
    if kind == "JPEG":
        options["quality"] = JPEG_QUALITY
        size = len(details.block()) if details else 0
        if size > MAX_JPEG_EXIF:
            names = exif.shorten(details, MAX_JPEG_EXIF)
            note = f"its EXIF, {size:,} bytes, does not fit into JPEG; left out: {', '.join(names)}"
    if details and kind != "TIFF":
        options["exif"] = details.block()
    try:
        with atomic(path) as temporary:
            Image.fromarray(gray).save(temporary, format=kind, **options)
            if details and kind == "TIFF":
                exif.put_into_tiff(temporary, details)
    except OSError as error:
        raise FilesError(f"{path} can't be written: {error.strerror or error}") from error
    return note
