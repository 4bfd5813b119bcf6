"""Helpers: image files that Pillow can't write, damaged ones, what is read of them; archives, and a server of files."""

import hashlib
import io
import pickle
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from grayscale import decode
from stages.fetch.source import Photograph, Plan, Skipped

MATTE = (10, 200, 90)
D50 = (0.9642, 1.0, 0.8249)
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))  # XYZ of its primaries
ADOBE_GAMMA, ADOBE_RGB = 2 + 51 / 256, "Adobe RGB (1998)"


def given(plan: Plan) -> Iterator[Photograph | Skipped]:
    """What a source gives, read from a pickled plan as in another process."""
    plan = pickle.loads(pickle.dumps(plan))
    yield from plan.skipped
    yield from map(plan.read, plan.items)


def opened(content: bytes, name: str = "photo") -> Image.Image:
    """A file of this content and name as the library reads it, over `MATTE`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        return decode.open_upright(path, MATTE)


def pixels_of(content: bytes) -> np.ndarray:
    """`opened`, as `(height, width, 3)` signed integers."""
    return np.asarray(opened(content), int)


def refused(content: bytes, words: str, name: str = "photo") -> None:
    with pytest.raises(decode.DecodeError, match=words):
        opened(content, name)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(size: tuple[int, int] = (32, 32), seed: int = 0) -> Image.Image:
    """A small, smooth colour image with some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[1], : size[0]]
    slope = np.stack([rows * 6 + 20, columns * 6 + 10, (rows + columns) * 3], axis=-1)
    return Image.fromarray(np.clip(slope + rng.integers(0, 20, slope.shape), 0, 255).astype(np.uint8))


def png_of(samples: np.ndarray, depth: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of `(height, width)` gray or `(height, width, channels)` LA, RGB or RGBA; samples below 2**depth."""
    height, width = samples.shape[:2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2] if samples.ndim == 3 else 1]
    rows = samples.reshape(height, -1)
    if depth < 8:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(height, -1)
        packed = [np.packbits(row).tobytes() for row in bits]
    else:
        packed = [row.astype(">u2" if depth == 16 else ">u1").tobytes() for row in rows]
    content = zlib.compress(b"".join(b"\0" + row for row in packed))
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    found = b"\x89PNG\r\n\x1a\n"
    for name, data in [(b"IHDR", header), *chunks, (b"IDAT", content), (b"IEND", b"")]:
        found += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return found


def tiff(*pages: tuple[np.ndarray, dict[str, Any]], **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for pixels, settings in pages:
            writer.write(pixels, metadata=None, **settings)
    return file.getvalue()


def rgb_profile() -> bytes:
    return matrix_profile(ADOBE_GAMMA)


def matrix_profile(gamma: float) -> bytes:
    """An ICC profile, version 2, with the primaries of Adobe RGB (1998)."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    primaries = [(name + b"XYZ", _xyz(values)) for name, values in zip((b"r", b"g", b"b"), ADOBE, strict=True)]
    return _profile(b"RGB ", [*primaries, *((name + b"TRC", curve) for name in (b"r", b"g", b"b"))])


def gray_profile(gamma: float) -> bytes:
    return gray_profile_of(b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)))


def gray_profile_of(curve: bytes) -> bytes:
    """A gray ICC profile with this curve tag."""
    return _profile(b"GRAY", [(b"kTRC", curve)])


def cmyk_profile() -> bytes:
    """An ICC profile of a made-up CMYK press that prints gray: L* = 100 − 20 C − 30 M − 10 Y − 50 K, at least 10.

    Its tables (ICC.1:2001-04, lut8Type) have only corners; from CIELAB, black is all inks. In its perceptual intent
    (A2B0), all colours are as light as paper.
    """
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    lightness = np.maximum(100 - corners @ [20, 30, 10, 50], 10)
    table = np.stack([np.round(lightness * 255 / 100), np.full(16, 128), np.full(16, 128)], axis=-1).astype(np.uint8)
    inks = np.repeat([255, 0], 4).astype(np.uint8)[:, None].repeat(4, axis=1)  # by L*, a*, b*, each low or high
    forth, back, perceptual = _lut8(4, 3, table), _lut8(3, 4, inks), _lut8(4, 3, table[:1].repeat(16, axis=0))
    tags = [(b"A2B0", perceptual), (b"A2B1", forth), (b"B2A0", back), (b"B2A1", back)]
    return _profile(b"CMYK", tags, device=b"prtr", space=b"Lab ")


def _lut8(inputs: int, outputs: int, corners: np.ndarray) -> bytes:
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    head = b"mft1" + bytes(4) + struct.pack(">BBBB", inputs, outputs, 2, 0) + matrix
    return head + identity * inputs + corners.tobytes() + identity * outputs


def table_profile(mode: str, gamma: float) -> bytes:
    """An ICC profile of tables: sample ** `gamma`, then the primaries of Adobe RGB (1998), or ink as `lightness`."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * len(mode), indexing="ij"), axis=-1).reshape(-1, len(mode))
    if mode == "RGB":
        return _profile(b"RGB ", [(b"A2B0", _lut16(corners @ ADOBE * 32768, gamma))])
    neutral = np.full(16, 32768)
    forth = _lut16(np.stack([lightness(corners) * 652.8, neutral, neutral], axis=-1), gamma)
    back = _lut16(np.repeat([65535, 0], 4)[:, None].repeat(4, axis=1), 1)
    return _profile(b"CMYK", [(b"A2B0", forth), (b"A2B1", forth), (b"B2A1", back)], device=b"prtr", space=b"Lab ")


def lightness(inks: np.ndarray) -> np.ndarray:
    """L* of inks in [0, 1] by `table_profile`."""
    return 100 - inks @ np.array([20, 30, 10, 40])


def _lut16(corners: np.ndarray, gamma: float) -> bytes:
    """A table of ICC.1:2001-04, lut16Type, with 2 points a side."""
    outputs, inputs = corners.shape[1], len(corners).bit_length() - 1
    matrix = struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    curve = np.round(65535 * np.linspace(0, 1, 4096) ** gamma).astype(">u2").tobytes()
    head = b"mft2" + bytes(4) + struct.pack(">BBBB", inputs, outputs, 2, 0) + matrix + struct.pack(">HH", 4096, 2)
    return head + curve * inputs + np.round(corners).astype(">u2").tobytes() + bytes([0, 0, 255, 255]) * outputs


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(colours: bytes, tags: list[tuple[bytes, bytes]], device: bytes = b"mntr", space: bytes = b"XYZ ") -> bytes:
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = [(b"desc", name), (b"wtpt", _xyz(D50)), (b"cprt", b"text" + bytes(4) + b"none\0"), *tags]
    start = 128 + 4 + 12 * len(tags)
    table, body = b"", b""
    for signature, data in tags:
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, device, colours, space)
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(value * 65536) for value in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def in_srgb(samples: np.ndarray, space: str, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Samples in [0, 1] of a colour space as unrounded sRGB levels, by colour-science; `curve` linearises them."""
    import colour  # its import takes seconds

    return to_srgb(colour.RGB_to_RGB(curve(samples), space, "sRGB", "Bradford"))


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] → unrounded sRGB levels in [0, 255]; IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def mutations(content: bytes, count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """The same file damaged in `count` ways."""
    for number in range(count):
        damaged = bytearray(content)
        place = int(rng.integers(0, len(content)))
        if number % 5 == 0:  # near the start, where most headers are
            for place in rng.integers(0, min(len(content), 200), rng.integers(1, 6)):
                damaged[place] = rng.integers(0, 256)
        elif number % 5 == 1:
            del damaged[place:]
        elif number % 5 == 2:
            damaged[place:place] = rng.bytes(int(rng.integers(1, 40)))
        elif number % 5 == 3:
            place = int(rng.integers(0, min(len(content), 200)))
            damaged[place : place + 4] = b"\xff\xff\xff\x7f"  # a large size, in most formats
        else:
            del damaged[place : place + int(rng.integers(1, 40))]
        yield bytes(damaged)


def with_checksums(damaged: bytes) -> bytes:
    """A damaged PNG with a correct CRC for every chunk that can still be found."""
    content, place = bytearray(damaged), 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[place + 4 : end]))[: max(0, len(content) - end)]
        place = end + 4
    return bytes(content)


# === Archives ===


def png(seed: int) -> bytes:
    return encoded(Image.fromarray(pixels(seed)), "PNG")


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*members: tuple[str | tarfile.TarInfo, bytes], compression: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# === Server ===

Route = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked[path] += 1
        self.server.routes.get(path, lambda handler: handler.send_error(404))(self)

    def give(self, content: bytes, kind: str = "application/octet-stream", length: int | None = None) -> None:
        """Answer 200; if `length` exceeds the content, the connection closes early."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Route] = {}
        self.asked: Counter[str] = Counter()
        self.over = threading.Event()  # silent routes wait for it

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
