"""Directories of TIFF files and of EXIF, which page of a TIFF is the photograph, and what Pillow misreads in a TIFF."""

import io
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from PIL import Image
from PIL.ExifTags import Base as Tag

from grayscale.reading import DecodeError

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SHORT, LONG = 3, 4
INTEGERS = {1: "B", SHORT: "H", LONG: "I", 13: "I", 16: "Q", 18: "Q"}
MAX_ENTRIES = 4096
MAX_VALUE = 16 << 20  # bytes
MAX_PAGES = 1024

WANTED = frozenset({
    Tag.NewSubfileType, Tag.SubfileType, Tag.ImageWidth, Tag.ImageLength, Tag.PhotometricInterpretation, Tag.SubIFDs,
    Tag.DNGVersion,
})  # fmt: skip
WHITE_IS_ZERO, YCBCR, OF_A_SENSOR = 0, 6, {32803, 34892}  # photometric interpretations: TIFF 6.0, TIFF/EP and DNG
SEPARATE = 2
UNSIGNED = 1
SIGNED = "32-bit or signed samples: black and white are not told"
RAW = "camera raw: develop it into an image first"


class Entry(NamedTuple):
    """A value: its TIFF type, its count, and its bytes in the file's byte order."""

    kind: int
    amount: int
    content: bytes


Directory = dict[int, Entry]


class Directories:
    """The directories of a TIFF file or an EXIF block.

    Every method raises `ValueError` if they are damaged, or `OverflowError` if they overlap.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = 4 * file.seek(0, io.SEEK_END)  # bytes to read: overlapping ones could take memory and time
        head = self._bytes(0, 16, short=True)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or len(head) < 8:
            raise ValueError("no TIFF")
        big = 43 in head[2:4]
        formats = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
        self.count, self.entry, self.link = (struct.Struct(self.order + form) for form in formats)
        (self.first,) = self.link.unpack(head[8:16] if big else head[4:8])

    def read(self, place: int, only: frozenset[int] | None = None) -> tuple[Directory, int]:
        """The directory at `place`, or `only` these tags of it, and the place of the next one, 0 if there is none."""
        (count,) = self.count.unpack(self._bytes(place, self.count.size))
        if count > MAX_ENTRIES:
            raise ValueError("too many entries")
        place += self.count.size
        end = place + count * self.entry.size
        found: Directory = {}
        for tag, kind, number, value in self.entry.iter_unpack(self._bytes(place, end - place)):
            wanted = kind in SIZES and (only is None or tag in only)
            if wanted and (length := SIZES[kind] * number) <= MAX_VALUE:
                content = value[:length] if length <= len(value) else self._bytes(self.link.unpack(value)[0], length)
                found[tag] = Entry(kind, number, content)
        behind = self._bytes(end, self.link.size, short=True)
        return found, self.link.unpack(behind)[0] if len(behind) == self.link.size else 0

    def pages(self) -> Iterator[Directory]:
        """The directories of a file's pages, each once, with the tags `WANTED`."""
        place, seen = self.first, set[int]()
        while place and place not in seen and len(seen) < MAX_PAGES:
            seen.add(place)
            page, place = self.read(place, WANTED)
            yield page

    def numbers(self, entry: Entry | None) -> tuple[int, ...]:
        """The integers of an entry; empty for other types."""
        if entry is None or entry.kind not in INTEGERS:
            return ()
        return struct.unpack(f"{self.order}{entry.amount}{INTEGERS[entry.kind]}", entry.content)

    def _bytes(self, place: int, size: int, short: bool = False) -> bytes:
        self.file.seek(place)
        content = self.file.read(size)
        if len(content) < size and not short:
            raise ValueError("cut")
        self.left -= len(content)
        if self.left < 0:
            raise OverflowError("overlapping parts")
        return content


def page(file: BinaryIO) -> int:
    """The number of the photograph's page: the first that is no reduced copy or mask.

    A first page is a reduced copy if it says so, or if a page is at least twice as wide and twice as high. Thumbnails
    may have another aspect ratio: those of cameras are 160 × 120 pixels.

    Raises:
        DecodeError: the file is camera raw, or Pillow can read only a thumbnail of its photograph.
    """
    try:
        directories = Directories(file)
        pages = list(directories.pages())
        below = [
            directories.read(place, WANTED)[0]
            for page in pages
            for place in directories.numbers(page.get(Tag.SubIFDs))[:64]
        ]
    except ValueError:
        return 0  # Pillow says what is wrong

    def number(page: Directory, tag: int) -> int:
        return next(iter(directories.numbers(page.get(tag))), 0)

    def size(page: Directory) -> tuple[int, int]:
        return number(page, Tag.ImageWidth), number(page, Tag.ImageLength)

    def reduced(page: Directory) -> bool:
        return bool(number(page, Tag.NewSubfileType) & 0b101) or number(page, Tag.SubfileType) == 2

    def raw(page: Directory) -> bool:
        return Tag.DNGVersion in page or number(page, Tag.PhotometricInterpretation) in OF_A_SENSOR

    file.seek(8)
    if file.read(2) == b"CR" or any(raw(page) for page in (*pages, *below)):
        raise DecodeError(RAW)
    if not pages:
        return 0
    whole = [number for number, page in enumerate(pages) if not reduced(page)]
    if not whole:
        raise DecodeError("a thumbnail without its photograph")
    first = whole[0]
    width, length = size(pages[first])
    sizes = [size(pages[number]) for number in whole]
    if any(across >= 2 * width and down >= 2 * length for across, down in sizes):
        first = max(whole, key=lambda number: math.prod(size(pages[number])))
    if any(not reduced(page) and min(size(page)) > max(size(pages[first])) for page in below):
        raise DecodeError("a thumbnail, whose photograph is in a part of the file that is not read")
    return first


def refuse_unreadable(image: Image.Image) -> None:
    """Raise `DecodeError` for what Pillow would show wrong."""
    found = tags(image)
    if any(kind != UNSIGNED for kind in found.get(Tag.SampleFormat, (UNSIGNED,))):
        raise DecodeError(SIGNED)  # as unsigned
    planes = found.get(Tag.PlanarConfiguration) == SEPARATE
    if planes and image.mode in ("LA", "La", "LAB"):
        raise DecodeError("gray with alpha, or Lab, in planes: save it with interleaved samples")
    offsets = found.get(Tag.StripOffsets) or found.get(Tag.TileOffsets) or ()
    width, height = found[Tag.ImageWidth], found[Tag.ImageLength]  # `image.size` is turned upright
    rows, columns = found.get(Tag.TileLength, found.get(Tag.RowsPerStrip, height)), found.get(Tag.TileWidth, width)
    parts = -(-height // rows) * -(-width // columns)
    if len(offsets) < parts * (len(found[Tag.BitsPerSample]) if planes else 1) or 0 in offsets:
        raise DecodeError("truncated: parts of its pixels are missing")  # Pillow shows black, or the file's header


def needs_libtiff(image: Image.Image) -> bool:
    """Does Pillow's own reader misread it? It does 16-bit planes and subsampled colour."""
    found = tags(image)
    return found.get(Tag.PlanarConfiguration) == SEPARATE or found.get(Tag.PhotometricInterpretation) == YCBCR


def has_lower_bytes(image: Image.Image) -> bool:
    """Can Pillow unpack the lower bytes of 16-bit samples? Not from compressed planes, nor from those of CMYK."""
    found = tags(image)
    planes = found.get(Tag.PlanarConfiguration) == SEPARATE
    return not planes or (found.get(Tag.Compression, 1) == 1 and image.mode != "CMYK")


def suffix_of_planes(image: Image.Image) -> str:
    """The byte order of 16-bit planes as a suffix of Pillow's raw modes; empty if samples are not in planes."""
    if tags(image).get(Tag.PlanarConfiguration) != SEPARATE:
        return ""
    return ";16L" if image.tag_v2.prefix == b"II" else ";16B"  # type: ignore[attr-defined]


def mend_palette(image: Image.Image) -> None:
    """Take a colour map without a value above 255 for 8 bits, as libtiff does; TIFF asks for 16."""
    levels = tags(image).get(Tag.ColorMap, ())
    if image.mode in ("P", "PA") and 0 < max(levels, default=0) < 256:
        size = len(levels) // 3
        image.putpalette([levels[band * size + entry] for entry in range(size) for band in range(3)])


def tags(image: Image.Image) -> Mapping[int, Any]:
    """The tags of a TIFF; empty for other formats."""
    return getattr(image, "tag_v2", {})
