"""Converting photographs: speed and memory of the library, beside OpenCV.

Each conversion runs in a process of its own. Time is that of the conversion in memory, without start, reading and
writing; memory is the peak of the whole process, from the image file to the written gray. Needs data/models.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import BenchmarkError, Row, by_turns, row, run

MEGAPIXELS = (1, 12, 100)
MODELS = Path("data/models")

# Prints the seconds of one conversion. The first, of a small part, is the warm-up.
CONVERSION = """
import sys, time
from pathlib import Path
import numpy as np
from PIL import Image
name, model, source, target = sys.argv[1:]
if name == "cvtColor":
    import cv2
    image = cv2.imread(source)
    convert = lambda part: cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    convert(image[:600, :600])
    start = time.perf_counter()
    gray = convert(image)
    seconds = time.perf_counter() - start
else:
    from grayscale import photograph
    from grayscale.core.levels import levels
    converter = photograph.closed_form(name) if name == "bt601" else photograph.network(Path(model))
    list(converter(lambda top, bottom: np.zeros((bottom - top, 600, 3), np.uint8), 600, 600))
    Image.MAX_IMAGE_PIXELS = None
    image = Image.open(source)
    image.load()
    start = time.perf_counter()
    gray = np.empty(image.size[::-1], np.uint8)
    read = lambda top, bottom: np.asarray(image.crop((0, top, image.width, bottom)))
    for top, rows in converter(read, image.height, image.width):
        gray[top : top + len(rows)] = levels(rows, bits=8)
    seconds = time.perf_counter() - start
Image.fromarray(gray).save(target, compress_level=1)
print(seconds)
"""


def measure(rounds: int) -> list[Row]:
    """Convert a photograph of each size by each way, by turns.

    Raises:
        BenchmarkError: there are no trained models.
    """
    if not (MODELS / "subpixel/model.keras").is_file():
        raise BenchmarkError(f"{MODELS} has no model of subpixel; run `make repro`")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in MEGAPIXELS:
            path = Path(folder) / f"{size}.png"
            write_photograph(path, size)
            found = by_turns({name: partial(convert, name, path) for name in ("cvtColor", "bt601", "subpixel")}, rounds)
            rates, mib = ({name: [run[key] for run in runs] for name, runs in found.items()} for key in (0, 1))
            for name in ("bt601", "subpixel"):
                what = f"converting {size} megapixels by {name}, beside cv2.cvtColor"
                for prefix, unit, of in (("", "Mpixel/s", rates), ("peak memory of ", "MiB", mib)):
                    rows.append(row(prefix + what, unit, of[name], of["cvtColor"]))
    return rows


def write_photograph(path: Path, megapixels: int) -> None:
    """Write a colour image of that size, 4 : 3, as a PNG file that is quick to write: cells of smooth noise."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (height // 50, height * 4 // 3 // 50, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((height * 4 // 3, height), Image.Resampling.BICUBIC)
    image.save(path, compress_level=1)


def convert(name: str, photograph: Path) -> tuple[float, float]:
    """Megapixels per second of a conversion, and peak memory in MiB of the process that made it."""
    model, target = MODELS / name / "model.keras", photograph.with_name("gray.png")
    cost = run([sys.executable, "-c", CONVERSION, name, *map(str, (model, photograph, target))])
    return int(photograph.stem) / json.loads(cost.output.splitlines()[-1]), cost.mib
