"""Copy EXIF to the gray image byte for byte: Pillow would write all text as ASCII, and round fractions."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags

from grayscale.reading.tiff import LONG, SHORT, Directories, Directory, Entry

Tag, Ifd = ExifTags.Base, ExifTags.IFD
HEAD = b"Exif\0\0"
# The tags of the first directory that describe the photograph. The others describe the layout of its pixels.
KEPT = {
    Tag.Orientation, Tag.ImageDescription, Tag.Make, Tag.Model, Tag.Software, Tag.DateTime, Tag.Artist,
    Tag.HostComputer, Tag.Copyright, Tag.Rating, Tag.XPTitle, Tag.XPComment, Tag.XPAuthor, Tag.XPKeywords,
    Tag.XPSubject,
}  # fmt: skip
# The tags of the Exif directory that do not hold for the gray image; a maker note points into the original file.
DROPPED = (Tag.MakerNote, Tag.ComponentsConfiguration, Tag.CompressedBitsPerPixel, Ifd.Interop)
BELOW = (Ifd.Exif, Ifd.GPSInfo)
ONE = Entry(SHORT, 1, b"\1\0")  # orientation: upright; colour space: sRGB
UNITS = {3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4, 5: 4, 10: 4, 12: 8}  # type → bytes to swap for another byte order


@dataclass
class Exif:
    """The first directory, and the directories below it by the tag that points to them; all little-endian."""

    main: Directory = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)

    @property
    def is_turned(self) -> bool:
        """Does turning the photograph upright swap rows and columns?"""
        orientation = self.main.get(Tag.Orientation)
        return orientation is not None and orientation.content[:2] in (b"\5\0", b"\6\0", b"\7\0", b"\x08\0")

    def packed(self, place: int = 8) -> bytes:
        """The directories as bytes that start at `place` in a file."""
        main, behind = {**self.main, **dict.fromkeys(self.below, _long(0))}, b""
        end = place + len(_packed(main, place))
        for tag, directory in self.below.items():
            main[tag] = _long(end + len(behind))
            behind += _packed(directory, end + len(behind))
        return _packed(main, place) + behind

    def block(self) -> bytes:
        """The EXIF block of a JPEG or PNG."""
        return HEAD + struct.pack("<2sHI", b"II", 42, 8) + self.packed()


def read(file: BinaryIO) -> Exif:
    """The EXIF of a TIFF file, or of a block without `HEAD`; empty if it is damaged."""
    try:
        directories = Directories(file)
        main, _ = directories.read(directories.first, frozenset({*KEPT, *BELOW}))
        pointers = {tag: directories.numbers(main.pop(tag, None)) for tag in BELOW}
        below = {tag: directories.read(places[0])[0] for tag, places in pointers.items() if places}
    except (ValueError, OverflowError, struct.error):
        return Exif()
    order = directories.order
    return Exif(_little_endian(main, order), {int(tag): _little_endian(part, order) for tag, part in below.items()})


def fitted(exif: Exif, size: tuple[int, int]) -> Exif:
    """The part that holds for the upright gray image of `size` `(width, height)`, with its size."""
    details = {tag: entry for tag, entry in exif.below.get(Ifd.Exif, {}).items() if tag not in DROPPED}
    now = {Tag.ExifImageWidth: _long(size[0]), Tag.ExifImageHeight: _long(size[1]), Tag.ColorSpace: ONE}
    details |= {tag: entry for tag, entry in now.items() if tag in details}
    below = {tag: directory for tag, directory in {**exif.below, Ifd.Exif: details}.items() if directory}
    if not exif.main and not below:
        return Exif()
    return Exif({**exif.main, Tag.Orientation: ONE}, below)


def shorten(exif: Exif, most: int) -> list[str]:
    """Remove the largest values until the block has at most `most` bytes; returns their names."""
    values = [(directory, tag) for directory in (exif.main, *exif.below.values()) for tag in directory]
    size, gone = len(exif.block()), []
    for directory, tag in sorted(values, key=lambda value: len(value[0][value[1]].content), reverse=True):
        if size > most:
            length = len(directory.pop(tag).content)
            size -= 12 + (length + length % 2 if length > 4 else 0)
            gone.append(ExifTags.TAGS.get(tag, f"tag {tag}"))
    return gone


def put_into_tiff(path: Path, exif: Exif) -> None:
    """Add EXIF to a little-endian TIFF of one page: append a new directory, and point the header to it."""
    with path.open("r+b") as file:
        directories = Directories(file)
        page, _ = directories.read(directories.first)
        end = file.seek(0, io.SEEK_END)
        end += file.write(bytes(end % 2))
        file.write(Exif({**exif.main, **page}, exif.below).packed(end))
        file.seek(4)
        file.write(struct.pack("<I", end))


def _long(value: int) -> Entry:
    return Entry(LONG, 1, struct.pack("<I", value))


def _little_endian(directory: Mapping[int, Entry], order: str) -> Directory:
    return {
        tag: entry._replace(content=np.frombuffer(entry.content, f"{order}u{unit}").astype(f"<u{unit}").tobytes())
        if (unit := UNITS.get(entry.kind))
        else entry
        for tag, entry in directory.items()
        if entry.kind <= 13
    }


def _packed(directory: Mapping[int, Entry], place: int) -> bytes:
    entries, values = bytearray(struct.pack("<H", len(directory))), bytearray()
    behind = place + 2 + 12 * len(directory) + 4
    for tag, entry in sorted(directory.items()):
        content = entry.content.ljust(4, b"\0")
        if len(content) > 4:
            content = struct.pack("<I", behind + len(values))
            values += entry.content + bytes(len(entry.content) % 2)
        entries += struct.pack("<HHI", tag, entry.kind, entry.amount) + content
    return bytes(entries + bytes(4) + values)
