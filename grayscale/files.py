"""Find the image files to convert, choose their output paths, and write gray images with their metadata."""

import hashlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from grayscale import exif
from grayscale.core.atomic import atomic
from grayscale.decode import IMAGES
from grayscale.reading import png
from grayscale.reading.names import walk

FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}  # that can hold gray
MARK = ".gray"  # before the extension of an output
JPEG_QUALITY = 95
MOST_DPI = 65535  # that JPEG can say
MOST_JPEG_PIXELS = 65500  # of a side
MOST_JPEG_EXIF = 65533  # bytes: what fits into one marker
MOST_LETTERS = 255  # bytes of a file's name, on nearly every file system
MADE_FROM = "Made from"  # the text in an output that names its photograph


class FilesError(Exception):
    """An input or output path can't be used; the message names it."""


@dataclass(frozen=True)
class Job:
    """One photograph's file, and the file that its gray goes to."""

    source: Path
    target: Path


def plan(inputs: Iterable[Path], output: Path | None, *, folder: bool = False) -> list[Job]:
    """Every photograph among `inputs`, files or folders, and where its gray goes.

    `photo.jpg` becomes `photo.gray.png` beside it; or, with `output`, that file if the input is one file and `output`
    has an extension, else a file in the folder `output`, which gets the tree of an input folder. Where two photographs
    would share an output, as `a.jpg` and `a.png` would, theirs keep the extension: `a.jpg.gray.png`. A photograph that
    has an output keeps it, whatever is put beside it later.

    In folders, hidden files, what is already marked as gray, and what lies in the output folder is passed over; of
    files, what was made from another one of them. A photograph that is named twice is converted once. `folder` says
    that `output` is one, whatever its name.

    Raises:
        FilesError: an input does not exist, an output would replace an original (whatever links lie between), or the
            output's format is not written.
    """
    inputs = _once_each(inputs)
    if output and not folder and len(inputs) == 1 and inputs[0].is_file() and output.suffix and not output.is_dir():
        if output.suffix.lower() not in FORMATS:
            raise FilesError(f"{output}: gray is written as {', '.join(FORMATS)}")
        jobs = [Job(inputs[0], output)]
    else:
        if output and output.exists() and not output.is_dir():
            raise FilesError(f"{output}: is a file; with several photographs, --output is a folder")
        places: dict[Path, Path] = {}  # source → its output without marks and extension
        for path in inputs:
            top, sources = (path, _photographs(path, output)) if path.is_dir() else (path.parent, [path])
            places |= {source: (output / source.relative_to(top)) if output else source for source in sources}
        jobs = [Job(source, target) for source, target in _targets(places).items()]
    _refuse_to_replace_originals(jobs)
    return jobs


def closed_folders(inputs: Iterable[Path]) -> dict[Path, str]:
    """The folders among and below `inputs` in which no photograph is looked for, and why."""
    return {folder / name: reason for folder in inputs if folder.is_dir() for name, reason in walk(folder)[1]}


def _once_each(inputs: Iterable[Path]) -> list[Path]:
    """Without what is named twice, and without outputs, which `*.png` names, too; outputs alone are meant."""
    named = {path.parent.resolve() / path.name: path for path in reversed(list(inputs))}
    paths = list(reversed(named.values()))
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise FilesError(f"{path}: not found")
    return [path for path in paths if not (path.stem.endswith(MARK) and _original(path))] or paths


def _photographs(folder: Path, output: Path | None) -> list[Path]:
    """The originals in a folder: no hidden file, no gray, nothing in the output folder unless that is around it."""
    outputs = output.resolve() if output and folder.resolve() in output.resolve().parents else None
    return [
        path
        for path in (folder / name for name in walk(folder)[0])
        if path.suffix.lower() in IMAGES
        and not path.stem.endswith(MARK)
        and not (outputs and outputs in (path.parent.resolve() / path.name).parents)
    ]


def _targets(places: Mapping[Path, Path]) -> dict[Path, Path]:
    """Each photograph's output: the one it has; else of the short names those that are free, else long ones."""
    short = {source: _marked(place, place.stem) for source, place in places.items()}
    long = {source: _marked(place, place.name) for source, place in places.items()}
    found = {}
    for source in places:
        made = [target for target in (short[source], long[source]) if _original(target) == _recorded(source)]
        short_is_anothers = _original(short[source]) not in (None, _recorded(source))
        found[source] = made[0] if made else long[source] if short_is_anothers else short[source]
    while True:  # a long name may be the short one of another photograph
        keys = {source: str(target).casefold() for source, target in found.items()}  # a.jpg and A.jpg may be one file
        uses = Counter(keys.values())
        shared = [
            source
            for source, target in found.items()
            if uses[keys[source]] > 1 and target == short[source] and _original(target) != _recorded(source)
        ]
        if not shared:
            return found
        found |= {source: long[source] for source in shared}


def _marked(place: Path, stem: str) -> Path:
    """Beside `place`; of a name that would be too long, its start and a hash of all of it."""
    ending, stored = f"{MARK}.png", os.fsencode(stem)
    if len(stored) + len(ending) > MOST_LETTERS:
        mark = f"~{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:12]}"
        stem = stored[: MOST_LETTERS - len(ending) - len(mark)].decode("utf-8", "ignore") + mark
    return place.with_name(f"{stem}{ending}")


def _recorded(source: Path) -> str:
    """A photograph's name as outputs tell it, in ASCII."""
    return ascii(source.name)[1:-1]


def _original(target: Path) -> str | None:
    """The name of the photograph that an output was made from; None if it does not tell, or is not there."""
    try:
        with target.open("rb") as file:
            return png.text(file, MADE_FROM.encode())
    except OSError:
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

    As options of Pillow's `save`: `dpi`, pixels per inch `(x, y)`, and `exif`, bytes; without what there is not, is
    damaged, or no photograph has. Gone are the orientation (the pixels are upright), the colour thumbnail, the maker's
    note, XMP, and what describes the file's colour samples.

    Raises:
        OSError: the file can't be opened.
    """
    with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
        dpi, block, kind = image.info.get("dpi"), image.info.get("exif", b""), image.format
    with file.open("rb") as opened:
        block = png.exif(opened) if kind == "PNG" else block
        found = exif.read(opened if kind == "TIFF" else io.BytesIO(block.removeprefix(exif.HEAD)))
    fitted = exif.fitted(found, size)
    kept: dict[str, Any] = {"exif": fitted.block()} if fitted.main else {}
    try:
        across, down = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return kept
    if 0 < across <= MOST_DPI and 0 < down <= MOST_DPI:
        kept["dpi"] = (down, across) if found.is_turned else (across, down)
    return kept


def refuse_size(path: Path, size: tuple[int, int]) -> None:
    """Raise `FilesError` if an image of `size` does not fit into the format of `path`."""
    if FORMATS[path.suffix.lower()] == "JPEG" and max(size) > MOST_JPEG_PIXELS:
        raise FilesError(f"JPEG holds at most {MOST_JPEG_PIXELS:,} pixels a side; write .png or .tif")


def write(path: Path, gray: np.ndarray, kept: Mapping[str, Any], source: Path | None = None) -> str | None:
    """Write an image file, or nothing; tell what of `kept` did not fit into it.

    Args:
        path: its extension, one of `FORMATS`, is its format.
        gray: `(height, width)` uint8, or uint16 for PNG and TIFF; sRGB-encoded.
        kept: what `metadata` found.
        source: the photograph; a PNG says its name.

    Raises:
        OSError: the file can't be written.
    """
    kind = FORMATS[path.suffix.lower()]
    options, left_out = dict(kept), None
    block = options.get("exif", b"")
    if kind == "PNG":
        chunks = PngInfo()
        chunks.add(b"sRGB", bytes([1]))  # relative colorimetric
        if source:
            chunks.add_text(MADE_FROM, _recorded(source))
        options["pnginfo"] = chunks
    if kind == "JPEG":
        options["quality"] = JPEG_QUALITY
        if len(block) > MOST_JPEG_EXIF:
            options["exif"], names = exif.shortened(block, MOST_JPEG_EXIF)
            left_out = f"its EXIF, {len(block):,} bytes, does not fit into JPEG; left out: {', '.join(names)}"
    if kind == "TIFF":
        options.pop("exif", None)  # Pillow would write it anew, with text as ASCII
    with atomic(path) as temporary:
        Image.fromarray(gray).save(temporary, format=kind, **options)
        if kind == "TIFF" and block:
            exif.put_into_tiff(temporary, block)
    return left_out
