"""What converting whole photographs costs: `python -m benchmarks.convert` reports speed and memory beside OpenCV.

Each measurement runs in a process of its own, all after one another; the ratios are those of one run. Time is that of
the conversion in memory, without start, reading and writing; memory is the peak of the whole process, from the image
file to the written gray, as `grayscale` needs it. Needs data/models (`make repro` or `dvc pull`), or `--models`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

MEGAPIXELS = (1, 12, 100)
SMALL = ("decolor", "subpixel_bottleneck")  # 1 megapixel is enough to know how slow they are

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
    from stages.convert import convert, files
    from stages.convert.batch import WHITE
    from stages.fetch import decode
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convert", description=__doc__)
    parser.add_argument("--megapixels", type=int, nargs="+", default=MEGAPIXELS, help="sizes (default 1, 12, 100)")
    parser.add_argument("--models", type=Path, default=Path("data/models"), help="folder of the trained models")
    arguments = parser.parse_args()
    names = ("cvtColor", "bt601", "subpixel", *SMALL)
    if not (arguments.models / "subpixel/model.keras").is_file():
        raise SystemExit(f"benchmarks.convert: {arguments.models} has no model of subpixel; run `make repro`")
    due = [(size, name) for size in arguments.megapixels for name in names if size == 1 or name not in SMALL]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.megapixels:
            path = Path(folder) / f"{size}.png"
            writer = multiprocessing.get_context("spawn").Process(target=write_photograph, args=(path, size))
            writer.start()  # in a process of its own: Linux counts the peak of the parent as the child's
            writer.join()
        for size, name in tqdm(due, unit="measurement", disable=None):
            rows.append((size, name, *measure(name, arguments.models, Path(folder) / f"{size}.png")))
    for size, name, seconds, memory in rows:
        beside = next(row[2] for row in rows if row[:2] == (size, "cvtColor"))
        print(
            f"{size:4} megapixels, {name}: {size / seconds:.3g} megapixels per second, "
            f"{seconds / beside:.3g} × cvtColor, {memory:,.0f} MiB"
        )


def write_photograph(path: Path, megapixels: int) -> None:
    """Write a colour image of that size, 4 : 3, as a PNG file that is quick to write: cells of smooth noise."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (height // 50, height * 4 // 3 // 50, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((height * 4 // 3, height), Image.Resampling.BICUBIC)
    image.save(path, compress_level=1)


def measure(name: str, models: Path, photograph: Path) -> tuple[float, float]:
    """Seconds of a conversion, and peak memory in MiB of the process that made it."""
    command = [
        sys.executable,
        "-c",
        CONVERSION,
        name,
        str(models),
        str(photograph),
        str(photograph.with_name("gray.png")),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = json.loads(result.stdout.splitlines()[-1])
    return seconds, memory


if __name__ == "__main__":
    main()
