"""What converting images costs, beside OpenCV."""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks import BenchmarkError, Row, by_turns, row, run

PEER, DENOISING = "cvtColor", "fastNlMeansDenoising"  # of OpenCV, on luma
MEGAPIXELS, DENOISED = (1, 12, 100), 12  # the peer that denoises takes long
WAYS = ("bt601", "subpixel")
FAST = {"subpixel": (50, "≥ 10"), "denoise": (0.8, "≥ 0")}  # Mpixel/s on two cores; beside the peer that denoises
SMALL = 1000  # MB, of `subpixel`
AT_ONCE, MORE = 0.35, 1.0  # CPU seconds of `grayscale --help`, and of a network beside a closed form
MODELS = Path("data/models")

# Prints the seconds of one conversion. The first, of a small part, is the warm-up.
CONVERSION = """
import sys, time
from pathlib import Path
import numpy as np
from PIL import Image
name, model, source, target = sys.argv[1:]
if name in ("cvtColor", "fastNlMeansDenoising"):
    import cv2
    image = cv2.imread(source)
    part = image[:600, :600]
    def convert(image):
        luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return luma if name == "cvtColor" else cv2.fastNlMeansDenoising(luma, h=10)
else:
    from grayscale import photograph
    from grayscale.core.levels import levels
    converter = photograph.network(Path(model)) if Path(model).is_file() else photograph.closed_form(name)
    Image.MAX_IMAGE_PIXELS = None
    image = Image.open(source)
    part = image.crop((0, 0, 600, 600))
    def convert(image):
        gray = np.empty(image.size[::-1], np.uint8)
        read = lambda top, bottom: np.asarray(image.crop((0, top, image.width, bottom)))
        for top, rows in converter(read, image.height, image.width):
            gray[top : top + len(rows)] = levels(rows, bits=8)
        return gray
convert(part)
start = time.perf_counter()
gray = convert(image)
seconds = time.perf_counter() - start
Image.fromarray(gray).save(target, compress_level=1)
print(seconds)
"""


def convert(rounds: int) -> list[Row]:
    """Convert a photograph of each size by each way: speed and memory, beside OpenCV; then time whole commands.

    Each conversion runs in a process of its own. Time is that of the conversion in memory, without start, reading and
    writing; memory is the peak of the whole process, from the image file to the written gray.
    """
    if missing := [name for name in FAST if not (MODELS / name / "model.onnx").is_file()]:
        raise BenchmarkError(f"{MODELS} has no model of {', '.join(missing)}; run `make repro`")
    rows: list[Row] = []
    denoised: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in MEGAPIXELS:
            path = Path(folder) / f"{size}.png"
            write_photograph(path, size)
            names = (*WAYS, PEER, "denoise", DENOISING) if size == DENOISED else (*WAYS, PEER)
            found = by_turns({name: partial(converted, name, path) for name in names}, rounds)
            speed, mib = ({name: [cost[key] for cost in costs] for name, costs in found.items()} for key in (0, 1))
            for name in WAYS:
                what = f"converting {size} megapixels by {name}"
                rows.append(row(f"{what}, beside cv2.{PEER}", "Mpixel/s", speed[name], speed[PEER]))
                judged = name == "subpixel" and size == max(MEGAPIXELS)
                limit, goal = (f", below {SMALL:,} MB", "≤ 2") if judged else ("", "")
                small = median(mib[name]) * 2**20 < SMALL * 1e6
                what = f"peak memory of {what}{limit}, beside cv2.{PEER}"
                rows.append(row(what, "MiB", mib[name], mib[PEER], goal, also=small))
            for name, (least, goal) in FAST.items() if size == DENOISED else ():
                what = f"converting {size} megapixels by {name}, at least {least} Mpixel/s, beside cv2.{DENOISING}"
                fast = median(speed[name]) >= least
                denoised.append(row(what, "Mpixel/s", speed[name], speed[DENOISING], goal, also=fast))
        return [*rows, *denoised, *_starts(Path(folder) / "1.png", rounds)]


def _starts(photograph: Path, rounds: int) -> list[Row]:
    """CPU time of whole commands, from start to end: the help, and one photograph by a network and by a formula."""
    gray = [sys.executable, "-m", "grayscale"]
    commands = {
        "numpy": [sys.executable, "-c", "import numpy"],
        "help": [*gray, "--help"],
        "formula": [*gray, str(photograph), "--force", "--method", "bt601"],
        "network": [*gray, str(photograph), "--force", "--model", str(MODELS / "subpixel/model.onnx")],
    }
    found = by_turns({name: partial(run, command) for name, command in commands.items()}, rounds)
    took = {name: [cost.cpu_seconds for cost in costs] for name, costs in found.items()}
    at_once = median(took["help"]) <= AT_ONCE
    little_more = median(took["network"]) - median(took["formula"]) <= MORE
    what = f"grayscale --help, at most {AT_ONCE} s, beside python -c 'import numpy'"
    other = f"grayscale with one photograph by subpixel, at most {MORE:g} s more, beside the same by bt601"
    return [
        row(what, "CPU s", took["help"], took["numpy"], "≤ 3", also=at_once),
        row(other, "CPU s", took["network"], took["formula"], "≤ 3", also=little_more),
    ]


def write_photograph(path: Path, megapixels: int) -> None:
    """Write a colour image of that size, 4 : 3, as a PNG file that is quick to write: cells of smooth noise."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (height // 50, height * 4 // 3 // 50, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((height * 4 // 3, height), Image.Resampling.BICUBIC)
    image.save(path, compress_level=1)


def converted(name: str, photograph: Path) -> tuple[float, float]:
    """Megapixels per second of a conversion, and peak memory in MiB of the process that made it."""
    model, target = MODELS / name / "model.onnx", photograph.with_name("gray.png")
    cost = run([sys.executable, "-c", CONVERSION, name, *map(str, (model, photograph, target))])
    return int(photograph.stem) / json.loads(cost.output.splitlines()[-1]), cost.mib
