"""Find the image files to convert, choose their output paths, and write gray images with their metadata."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from grayscale.core.atomic import atomic
from grayscale.decode import IMAGES

FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}  # that can hold gray
MARK = ".gray"  # before the extension of an output
JPEG_QUALITY = 95
MOST_DPI = 65535  # that JPEG can say

Tag, Ifd = ExifTags.Base, ExifTags.IFD
KEPT = (  # of EXIF's first directory: what tells of the photograph. The rest tells how the file's colour pixels lie
    Tag.ImageDescription, Tag.Make, Tag.Model, Tag.Software, Tag.DateTime, Tag.Artist, Tag.HostComputer, Tag.Copyright,
    Tag.Rating, Tag.XPTitle, Tag.XPComment, Tag.XPAuthor, Tag.XPKeywords, Tag.XPSubject,
)  # fmt: skip
# Of its Exif directory, what no longer holds; a maker's note points to places in the original file.
DROPPED = (Tag.MakerNote, Tag.ComponentsConfiguration, Tag.CompressedBitsPerPixel, Ifd.Interop)
SRGB = 1  # EXIF 2.32, tag ColorSpace


class FilesError(Exception):
    """An input or output path can't be used; the message names it."""


@dataclass(frozen=True)
class Job:
    """One photograph's file, and the file that its gray goes to."""

    source: Path
    target: Path


def plan(inputs: Iterable[Path], output: Path | None) -> list[Job]:
    """Every photograph among `inputs`, files or folders, and where its gray goes.

    `photo.jpg` becomes `photo.gray.png` beside it; or, with `output`, that file if the input is one file and `output`
    has an extension, else a file in the folder `output`, which gets the tree of an input folder. Where two photographs
    would share an output, as `a.jpg` and `a.png` would, theirs keep the extension: `a.jpg.gray.png`.

    In folders, hidden files, what is already marked as gray, and what lies in the output folder is passed over.

    Raises:
        FilesError: an input does not exist, an output would replace an original (whatever links lie between), or the
            output's format is not written.
    """
    inputs = list(inputs)
    for path in inputs:
        if not path.exists():
            raise FilesError(f"{path}: not found")
    if output and len(inputs) == 1 and inputs[0].is_file() and output.suffix and not output.is_dir():
        if output.suffix.lower() not in FORMATS:
            raise FilesError(f"{output}: gray is written as {', '.join(FORMATS)}")
        jobs = [Job(inputs[0], output)]
    else:
        if output and output.exists() and not output.is_dir():
            raise FilesError(f"{output}: is a file; with several photographs, --output is a folder")
        places = {}  # source → its output without marks and extension
        for path in inputs:
            for source in _photographs(path, output) if path.is_dir() else [path]:
                top = path if path.is_dir() else path.parent
                places[source] = (output / source.relative_to(top)) if output else source
        shared = Counter(_without_extension(place) for place in places.values())
        jobs = []
        for source, place in places.items():
            stem = place.name if shared[_without_extension(place)] > 1 else place.stem
            jobs.append(Job(source, place.with_name(f"{stem}{MARK}.png")))
    _refuse_to_replace_originals(jobs)
    return jobs


def _photographs(folder: Path, output: Path | None) -> list[Path]:
    """The originals in a folder: no hidden file, no gray, nothing in the output folder unless that is around it."""
    outputs = output.resolve() if output and folder.resolve() in output.resolve().parents else None
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGES
        and not path.stem.endswith(MARK)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (outputs and outputs in path.resolve().parents)
        and path.is_file()
    ]


def _without_extension(place: Path) -> str:
    return str(place.with_suffix("")).casefold()  # some file systems take a.jpg and A.jpg for one


def _refuse_to_replace_originals(jobs: list[Job]) -> None:
    originals = {_identity(job.source): job.source for job in jobs}
    places = set()
    for job in jobs:
        if job.target.exists() and _identity(job.target) in originals:
            raise FilesError(f"{job.target} is the original {originals[_identity(job.target)]}; name another --output")
        place = job.target.parent.resolve() / job.target.name
        if place in places:
            raise FilesError(f"{place}: two photographs would be written there; give each an --output of its own")
        places.add(place)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def metadata(file: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Resolution and EXIF of an image file, for its upright gray image of `size` `(width, height)`; decodes no pixel.

    As options of Pillow's `save`: `dpi`, pixels per inch `(x, y)`, and `exif`, bytes; without what there is not.

    Kept is what tells of the photograph: dates, camera, lens, exposure, place, author. Gone are the orientation (the
    pixels are upright), the colour thumbnail, the maker's note, XMP, and what describes the file's colour samples.
    Damaged EXIF counts as none, and so does a resolution that no photograph has.

    Raises:
        OSError: the file can't be opened.
    """
    with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
        dpi = image.info.get("dpi")
        exif = Image.Exif()
        try:
            if image.format == "TIFF":
                exif = image.getexif()
            else:
                exif.load(image.info.get("exif", b""))
            turned = exif.get(Tag.Orientation) in (5, 6, 7, 8)
            stored = _fitted(exif, size).tobytes()
        except Exception:  # the parser's faults are as many as there are ways to damage a file
            turned, stored = False, b""
    kept: dict[str, Any] = {"exif": stored} if stored else {}
    try:
        across, down = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return kept
    if 0 < across <= MOST_DPI and 0 < down <= MOST_DPI:
        kept["dpi"] = (down, across) if turned else (across, down)
    return kept


def _fitted(exif: Image.Exif, size: tuple[int, int]) -> Image.Exif:
    """The part of `exif` that holds for the upright gray image of `size` `(width, height)`."""
    kept = Image.Exif()
    for tag in KEPT:
        if tag in exif:
            kept[tag] = exif[tag]
    details = {tag: value for tag, value in exif.get_ifd(Ifd.Exif).items() if tag not in DROPPED}
    for tag, value in ((Tag.ExifImageWidth, size[0]), (Tag.ExifImageHeight, size[1]), (Tag.ColorSpace, SRGB)):
        if tag in details:
            details[tag] = value
    if details:
        kept.get_ifd(Ifd.Exif).update(details)
    if place := exif.get_ifd(Ifd.GPSInfo):
        kept.get_ifd(Ifd.GPSInfo).update(place)
    if len(exif):
        kept[Tag.Orientation] = 1
    return kept


def write(path: Path, gray: np.ndarray, kept: Mapping[str, Any]) -> None:
    """Write an image file, or nothing.

    Args:
        path: its extension, one of `FORMATS`, is its format.
        gray: `(height, width)` uint8, or uint16 for PNG and TIFF; sRGB-encoded.
        kept: what `metadata` found.

    Raises:
        OSError: the file can't be written.
    """
    kind = FORMATS[path.suffix.lower()]
    options = dict(kept)
    if kind == "PNG":
        chunks = PngInfo()
        chunks.add(b"sRGB", bytes([1]))  # relative colorimetric
        options["pnginfo"] = chunks
    if kind == "JPEG":
        options["quality"] = JPEG_QUALITY
    with atomic(path) as temporary:
        Image.fromarray(gray).save(temporary, format=kind, **options)
