"""Whatever is damaged: an image or a model is read or named, no process dies, and memory stays small.

As a process that may die, this prints how many files there were and were read, and the most memory in MB.
"""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import grayscale
from grayscale import batch
from grayscale.files import Job
from grayscale.models import ModelError
from stages.fetch.files import plan_files
from stages.fetch.photograph import Photograph
from stages.fetch.settings import ImageFiles
from tests.conftest import REPOSITORY
from tests.fetch import files
from tests.grayscale.conftest import clouds, graph, node

COUNTS = {"images": 500, "models": 100}


@pytest.mark.long
@pytest.mark.parametrize("kind", COUNTS)
def test_damaged_files_by_the_hundred_are_read_or_named(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.fetch.test_fuzz", kind, str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-4000:]
    count, read, megabytes = map(int, ended.stdout.split()[-3:])
    assert count >= COUNTS[kind]
    assert 0 < read < count
    assert megabytes < 1500


def images() -> dict[str, bytes]:
    """A small photograph in eight formats, by extension."""
    kinds = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "avif": "AVIF"}
    deep = Image.fromarray(clouds(40, 30)[..., 0].astype(np.uint16) * 257)
    sound = {name: files.encoded(files.photo((40, 30)), kind) for name, kind in kinds.items()}
    return {**sound, "16.png": files.encoded(deep, "PNG")}


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


def read_images(damaged: list[Path], folder: Path) -> int:
    """How many were read, by `fetch` and by the library; each of the others must be named by both."""
    plan = plan_files(folder, ImageFiles(source="folder", inputs=str(folder)), source="", licence="", links=False)
    found = [plan.read(name) for name in plan.items]
    assert len(found) + len(plan.skipped) == len(damaged)
    out = folder.with_name("gray")
    outcome = batch.run([Job(file, out / f"{file.name}.png") for file in damaged], batch.Choice("bt601", None, 8), 1)
    assert len(list(out.iterdir())) + len(outcome.failed) == len(damaged)
    assert all(outcome.failed.values())
    return sum(isinstance(item, Photograph) for item in found)


def read_models(damaged: list[Path], _: Path) -> int:
    read = 0
    for file in damaged:
        try:
            grayscale.convert(clouds(20, 31), model=file)
            read += 1
        except ModelError as named:
            assert str(named)
    return read


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2]) / "in"
    folder.mkdir()
    make, read = {"images": (images, read_images), "models": (models, read_models)}[kind]
    rng = np.random.default_rng(17)
    sound = make()
    for name, content in sound.items():
        for number, damaged in enumerate(files.mutations(content, -(-COUNTS[kind] // len(sound)), rng)):
            (folder / f"{number:03}.{name}").write_bytes(damaged)
    written = sorted(folder.iterdir())
    print(len(written), read(written, folder), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)


if __name__ == "__main__":
    main()
