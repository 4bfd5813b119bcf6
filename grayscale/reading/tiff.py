"""Which page of a TIFF is the photograph, and what Pillow does not mend itself."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import Image

from grayscale.reading import DecodeError
from grayscale.reading.directories import Directories, Directory

# TIFF 6.0, section 8; TIFF/EP and DNG
NEW_SUBFILE, SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, PLANAR = 254, 255, 256, 257, 258, 259, 262, 284
COLOUR_MAP, SUB_DIRECTORIES, SAMPLE_FORMAT, DNG_VERSION = 320, 330, 339, 50706
WANTED = frozenset({NEW_SUBFILE, SUBFILE, WIDTH, LENGTH, PHOTOMETRIC, SUB_DIRECTORIES, DNG_VERSION})
WHITE_IS_ZERO, YCBCR, OF_A_SENSOR = 0, 6, {32803, 34892}
SEPARATE = 2
UNSIGNED = 1
SIGNED = "32-bit or signed samples: black and white are not told"
RAW = "camera raw: develop it into an image first"


def page(file: BinaryIO) -> int:
    """The number of the photograph's page: the first that is no reduced copy or mask.

    A first page is a reduced copy if it says so, or if a page of its proportions is at least twice as wide.

    Raises:
        DecodeError: the file is a camera's raw data, or has the whole photograph where it is not read.
    """
    try:
        directories = Directories(file)
        pages = list(directories.pages(WANTED))
        below = [
            directories.read(place, WANTED)[0]
            for page in pages
            for place in directories.numbers(page.get(SUB_DIRECTORIES))[:64]
        ]
    except ValueError:
        return 0  # Pillow says what is wrong

    def number(page: Directory, tag: int) -> int:
        return next(iter(directories.numbers(page.get(tag))), 0)

    def size(page: Directory) -> tuple[int, int]:
        return number(page, WIDTH), number(page, LENGTH)

    def reduced(page: Directory) -> bool:
        return bool(number(page, NEW_SUBFILE) & 0b101) or number(page, SUBFILE) == 2

    file.seek(8)
    if file.read(2) == b"CR" or any(
        DNG_VERSION in page or number(page, PHOTOMETRIC) in OF_A_SENSOR for page in (*pages, *below)
    ):
        raise DecodeError(RAW)
    whole = [number for number, page in enumerate(pages) if not reduced(page)]
    if not pages:
        return 0
    if not whole:
        raise DecodeError("a thumbnail without its photograph")
    first = whole[0]
    width, length = size(pages[first])
    sizes = [size(pages[number]) for number in whole]
    if any(across >= 2 * width and abs(across * length - down * width) <= max(across, down) for across, down in sizes):
        first = max(whole, key=lambda number: size(pages[number])[0])
    if any(not reduced(page) and min(size(page)) > max(size(pages[first])) for page in below):
        raise DecodeError("a thumbnail, whose photograph is in a part of the file that is not read")
    return first


def refuse_signed(image: Image.Image) -> None:
    """Raise `DecodeError` for samples that are not unsigned, which Pillow may take for such."""
    if any(kind != UNSIGNED for kind in tags(image).get(SAMPLE_FORMAT, (UNSIGNED,))):
        raise DecodeError(SIGNED)


def needs_libtiff(image: Image.Image) -> bool:
    """Does Pillow's own reader take it for something else? Planes of 16 bits, and colour at half resolution."""
    told = tags(image)
    return told.get(PLANAR) == SEPARATE or told.get(PHOTOMETRIC) == YCBCR


def has_lower_bytes(image: Image.Image) -> bool:
    """Can Pillow unpack the lower bytes of 16 bits? Not from compressed planes."""
    told = tags(image)
    return told.get(PLANAR) != SEPARATE or told.get(COMPRESSION, 1) == 1


def sixteen_bit_planes(image: Image.Image) -> str:
    """How the samples of a plane of 16 bits lie, as the end of Pillow's raw modes; empty if there is none."""
    if tags(image).get(PLANAR) != SEPARATE:
        return ""
    return ";16L" if image.tag_v2.prefix == b"II" else ";16B"  # type: ignore[attr-defined]


def mend_palette(image: Image.Image) -> None:
    """A colour map of 16 bits is what TIFF asks for; one without a value above 255 is of 8 bits, as libtiff has it."""
    levels = tags(image).get(COLOUR_MAP, ())
    if image.mode in ("P", "PA") and 0 < max(levels, default=0) < 256:
        size = len(levels) // 3
        image.putpalette([levels[band * size + entry] for entry in range(size) for band in range(3)])


def tags(image: Image.Image) -> Mapping[int, Any]:
    """Those of a TIFF; none of another image."""
    return getattr(image, "tag_v2", {})
