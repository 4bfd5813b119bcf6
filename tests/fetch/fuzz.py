"""Damaged files by the hundred: `python -m tests.fetch.fuzz images|archives|models FOLDER`, in a process that may die.

Prints how many files there were, how many were read, and the most memory that the process had, in MB.
"""

from __future__ import annotations

import io
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import grayscale
from grayscale import batch
from grayscale.files import Job
from grayscale.models import ModelError
from stages.common.artifacts import ArtifactError
from stages.fetch import unpack
from stages.fetch.files import plan_files
from stages.fetch.photograph import Photograph
from stages.fetch.settings import ImageFiles
from tests.fetch.files import encoded, photo
from tests.fetch.server import png, tarred, zipped
from tests.grayscale.conftest import clouds, graph, node

COUNTS = {"images": 500, "archives": 200, "models": 100}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Bits are turned, numbers made large or zero, parts cut out or doubled; sometimes the end is missing."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(len(damaged)) * rng.random() ** 2)  # headers more often
        part = damaged[at : at + int(rng.integers(1, 64))]
        changes: list[Callable[[], bytes]] = [
            lambda part=part: bytes([part[0] ^ 1 << int(rng.integers(8))]) + part[1:],  # type: ignore[misc]
            lambda part=part: b"\xff\xff\xff\x7f"[: len(part)] + part[4:],  # type: ignore[misc]
            lambda part=part: bytes(len(part)),  # type: ignore[misc]
            lambda: b"",
            lambda part=part: part + part,  # type: ignore[misc]
        ]
        damaged[at : at + len(part)] = changes[rng.integers(len(changes))]()
    return bytes(damaged if rng.random() < 0.8 else damaged[: int(rng.integers(1, len(damaged) + 1))])


def images() -> dict[str, bytes]:
    """A small photograph in eight formats, by extension."""
    kinds = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "avif": "AVIF"}
    buffer = io.BytesIO()
    Image.fromarray(clouds(40, 30)[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
    return {**{name: encoded(photo((40, 30)), kind) for name, kind in kinds.items()}, "16.png": buffer.getvalue()}


def archives() -> dict[str, bytes]:
    members = [(f"folder/{seed}.png", png(seed)) for seed in range(5)]
    return {"zip": zipped(*members), **{f"tar.{kind}": tarred(*members, compression=kind) for kind in ("", "gz", "xz")}}


def models() -> dict[str, bytes]:
    weights = {"w": np.full((1, 3, 3, 3), 0.1, np.float32), "s": np.array([0, 2, 3, 1])}
    convolution = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    mean = [node("ReduceMean", ["x"], ["y"], axes=[3])]
    return {
        "conv.onnx": graph(convolution, weights, patch=12, cell=1, margin=1).SerializeToString(),
        "mean.onnx": graph(mean).SerializeToString(),
    }


def read_images(files: list[Path], folder: Path) -> int:
    """How many were read, by `fetch` and by the library; each of the others must be named by both."""
    plan = plan_files(folder, ImageFiles(source="folder", inputs=str(folder)), source="", licence="", links=False)
    found = [plan.read(name) for name in plan.items]
    assert len(found) + len(plan.skipped) == len(files)
    out = folder.with_name("gray")
    outcome = batch.run([Job(file, out / f"{file.name}.png") for file in files], batch.Choice("bt601", None, 8), 1)
    assert len(list(out.iterdir())) + len(outcome.failed) == len(files)
    assert all(outcome.failed.values())
    return sum(isinstance(item, Photograph) for item in found)


def read_archive(file: Path) -> None:
    list(unpack.unpack(file, file.with_name(f"{file.name}.unpacked"), file.name))


def read_model(file: Path) -> None:
    grayscale.convert(clouds(20, 31), model=file)


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2]) / "in"
    folder.mkdir()
    rng = np.random.default_rng(17)
    sound = {"images": images, "archives": archives, "models": models}[kind]()
    files = [
        folder / f"{number:03}.{name}" for number, name in zip(range(COUNTS[kind]), list(sound) * 99, strict=False)
    ]
    for file in files:
        file.write_bytes(mutated(sound[file.name.partition(".")[2]], rng))
    if kind == "images":
        read = read_images(files, folder)
    else:
        read = 0
        for file in files:
            try:
                (read_archive if kind == "archives" else read_model)(file)
                read += 1
            except (ArtifactError, ModelError) as named:
                assert str(named)
    print(len(files), read, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)


if __name__ == "__main__":
    main()
