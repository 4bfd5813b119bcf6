"""What converting whole photographs costs: speed and memory, beside OpenCV.

Each conversion runs in a process of its own. Time is that of the conversion in memory, without start, reading and
writing, on as many threads as each takes by itself; memory is the peak of the whole process, from the image file to the
written gray, as `grayscale` needs it. Needs data/models.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measure import BenchmarkError, by_turns, goal, ratio, run, spread

TITLE = "Converting photographs"
MEGAPIXELS = (1, 12, 100)
NAMES = ("cvtColor", "bt601", "subpixel")
SMALL = ("decolor", "subpixel_bottleneck")  # 1 megapixel is enough to know how slow they are
MODELS = Path("data/models")

# Prints seconds and peak memory of one conversion. The first, of a small part, is the warm-up.
CONVERSION = """
import json, resource, sys, time
from contextlib import closing
from pathlib import Path
import numpy as np
name, models, photograph, target = sys.argv[1:]
if name in ("cvtColor", "decolor"):
    import cv2
    image = cv2.imread(photograph)
    convert = {"cvtColor": lambda a: cv2.cvtColor(a, cv2.COLOR_BGR2GRAY), "decolor": lambda a: cv2.decolor(a)[0]}[name]
    convert(image[:100, :100])
    start = time.perf_counter()
    gray = convert(image)
    seconds = time.perf_counter() - start
    cv2.imwrite(target, gray)
else:
    from grayscale import photograph as convert, files
    from grayscale.batch import WHITE
    from grayscale import decode
    converter = convert.closed_form(name) if name == "bt601" else convert.network(Path(models) / name / "model.keras")
    list(converter(lambda top, bottom: np.zeros((bottom - top, 600, 3), np.uint8), 600, 600))
    with closing(decode.open_upright(Path(photograph), WHITE)) as image:
        width, height = image.size
        gray = np.empty((height, width), np.uint8)
        start = time.perf_counter()
        read = lambda top, bottom: np.asarray(image.crop((0, top, width, bottom)))
        for top, rows in converter(read, height, width):
            gray[top : top + len(rows)] = convert.levels(rows, bits=8)
        seconds = time.perf_counter() - start
    files.write(Path(target), gray, files.Metadata(None, b""))
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def measure(rounds: int, megapixels: Sequence[int] = MEGAPIXELS, models: Path = MODELS) -> dict[str, Any]:
    """Convert a photograph of each size by each way, by turns.

    Raises:
        BenchmarkError: there are no trained models.
    """
    if not (models / "subpixel/model.keras").is_file():
        raise BenchmarkError(f"{models} has no model of subpixel; run `make repro`")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in megapixels:
            path = Path(folder) / f"{size}.png"
            writer = multiprocessing.get_context("spawn").Process(target=write_photograph, args=(path, size))
            writer.start()  # in a process of its own, so that its memory is not taken for that of what is measured
            writer.join()
            names = (*NAMES, *SMALL) if size == min(megapixels) else NAMES
            found = by_turns({name: partial(convert, name, models, path) for name in names}, rounds)
            peer = [seconds for seconds, _ in found["cvtColor"]]
            for name in names:
                took = [seconds for seconds, _ in found[name]]
                row = {"megapixels": size, "by": name, "mib": spread([memory for _, memory in found[name]])}
                row["megapixels_per_second"] = spread([size / seconds for seconds in took])
                rows.append({**row, "its_time_by_cvtcolor": ratio(took, peer)})
    return {"rows": rows, "goals": {"convert": _row(rows, max(megapixels))}}


def _row(rows: list[dict[str, Any]], size: int) -> dict[str, Any]:
    ours, peer = (
        next(row for row in rows if (row["megapixels"], row["by"]) == (size, name)) for name in ("subpixel", "cvtColor")
    )
    words = [
        f"{row['megapixels_per_second']['median']:.2g} Mpixel/s, {row['mib']['median'] / 1024:.2f} GiB"
        for row in (ours, peer)
    ]
    what = f"Converting {size} megapixels by `subpixel`: time in multiples of the peer's, peak memory"
    return goal(what, words[0], f"`cv2.cvtColor`: {words[1]}", ours["its_time_by_cvtcolor"])


def write_photograph(path: Path, megapixels: int) -> None:
    """Write a colour image of that size, 4 : 3, as a PNG file that is quick to write: cells of smooth noise."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (height // 50, height * 4 // 3 // 50, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((height * 4 // 3, height), Image.Resampling.BICUBIC)
    image.save(path, compress_level=1)


def convert(name: str, models: Path, photograph: Path) -> tuple[float, float]:
    """Seconds of a conversion, and peak memory in MiB of the process that made it."""
    target = photograph.with_name("gray.png")
    command = [sys.executable, "-c", CONVERSION, name, str(models), str(photograph), str(target)]
    seconds, memory = json.loads(run(command).output.splitlines()[-1])
    return seconds, memory
