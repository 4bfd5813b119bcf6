"""The directories of TIFF files and of EXIF, entry by entry, with values as the bytes that they are."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SHORT, LONG = 3, 4
WHOLE_NUMBERS = {1: "B", SHORT: "H", LONG: "I", 13: "I", 16: "Q", 18: "Q"}
MAX_ENTRIES = 4096
MAX_VALUE = 16 << 20  # bytes
MAX_PAGES = 1024


class Entry(NamedTuple):
    """A value: its type in TIFF's numbers, how many of it, and all of its bytes, in the file's byte order."""

    kind: int
    amount: int
    content: bytes


Directory = dict[int, Entry]


class Directories:
    """Those of a TIFF file, or of an EXIF block.

    Raises:
        ValueError: at reading too: it is none, or damaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        head = self._bytes(0, 16, short=True)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or len(head) < 8:
            raise ValueError("no TIFF")
        self.big = 43 in head[2:4]
        self.first = self._number("Q", head[8:16]) if self.big else self._number("I", head[4:8])

    def read(self, place: int, only: frozenset[int] | None = None) -> tuple[Directory, int]:
        """The directory there, or `only` these tags of it, and the place of the next one, 0 if there is none.

        Raises:
            ValueError: it is cut, or has more than `MAX_ENTRIES` entries.
        """
        count_format, entry, link = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHI4s", "I")
        size = struct.calcsize(f"={count_format}")
        count = self._number(count_format, self._bytes(place, size))
        if count > MAX_ENTRIES:
            raise ValueError("too many entries")
        place += size
        width = struct.calcsize(f"={entry}")
        found: Directory = {}
        for tag, kind, number, value in struct.iter_unpack(self.order + entry, self._bytes(place, count * width)):
            if kind not in SIZES or (only is not None and tag not in only):
                continue
            length = SIZES[kind] * number
            if length > MAX_VALUE:
                continue
            inside = length <= len(value)
            found[tag] = Entry(
                kind, number, value[:length] if inside else self._bytes(self._number(link, value), length)
            )
        behind = self._bytes(place + count * width, struct.calcsize(f"={link}"), short=True)
        return found, self._number(link, behind) if len(behind) == struct.calcsize(f"={link}") else 0

    def pages(self, only: frozenset[int]) -> Iterator[Directory]:
        """The directories of a file's pages, each once.

        Raises:
            ValueError: one of them is damaged.
        """
        place, seen = self.first, set[int]()
        while place and place not in seen and len(seen) < MAX_PAGES:
            seen.add(place)
            page, place = self.read(place, only)
            yield page

    def numbers(self, entry: Entry | None) -> tuple[int, ...]:
        """The whole numbers of an entry; none of what holds others."""
        if entry is None or entry.kind not in WHOLE_NUMBERS:
            return ()
        return struct.unpack(f"{self.order}{entry.amount}{WHOLE_NUMBERS[entry.kind]}", entry.content)

    def _number(self, form: str, content: bytes) -> int:
        return int(struct.unpack(self.order + form, content)[0])

    def _bytes(self, place: int, size: int, short: bool = False) -> bytes:
        self.file.seek(place)
        content = self.file.read(size)
        if len(content) < size and not short:
            raise ValueError("cut")
        return content
