"""A damaged image is read or named by `fetch` and by the library; no process dies, and memory stays small.

Run as a process of its own, this prints the number of files, how many were read, and the peak memory in MB.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from grayscale import batch
from grayscale.files import Job
from stages.fetch.files import plan_files
from stages.fetch.photograph import Photograph, Skipped
from stages.fetch.settings import ImageFiles
from tests.conftest import REPOSITORY
from tests.fetch import files

EACH = 60  # damaged copies


def test_damaged_images_by_the_hundred_are_read_or_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fetch.test_fuzz", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    count, read, megabytes = map(int, ended.stdout.split())
    assert count >= 600
    assert 0 < read < count
    assert megabytes < 1500


def images() -> dict[str, bytes]:
    """A small photograph in several formats, by extension."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    extras = {"icc_profile": files.rgb_profile(), "exif": exif}
    photo = files.photo((40, 30))
    kinds = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "avif": "AVIF"}
    deep = Image.fromarray(np.asarray(photo)[..., 0].astype(np.uint16) * 257)
    return {
        **{name: files.encoded(photo, kind, **extras) for name, kind in kinds.items()},
        "bmp": files.encoded(photo, "BMP"),
        "gif": files.encoded(photo, "GIF"),
        "16.png": files.encoded(deep, "PNG"),
        "progressive.jpg": files.encoded(photo, "JPEG", progressive=True, **extras),
        "jpeg.tif": files.encoded(photo, "TIFF", compression="jpeg", **extras),
    }


def read(damaged: list[Path], folder: Path) -> int:
    """The number of files that `fetch` reads; it and the library must name each of the others."""
    plan = plan_files(folder, ImageFiles(source="folder", inputs=str(folder)), source="", licence="", links=False)
    found = [plan.read(name) for name in plan.items]
    assert len(found) + len(plan.skipped) == len(damaged)
    reasons = [item.reason for item in found if isinstance(item, Skipped)]
    assert all(reasons)
    assert not any(word in reason for reason in reasons for word in ("/", "0x", "object at"))
    out = folder.with_name("gray")
    results = batch.run([Job(file, out / f"{file.name}.png") for file in damaged], batch.Choice("bt601", None, 8), 1)
    failed = [result for result in results.values() if isinstance(result, str)]
    assert len(list(out.iterdir())) + len(failed) == len(damaged)
    assert all(failed)
    return sum(isinstance(item, Photograph) for item in found)


def main() -> None:
    folder = Path(sys.argv[1]) / "in"
    folder.mkdir()
    rng = np.random.default_rng(17)
    for name, content in images().items():
        for number, damaged in enumerate(files.mutations(content, EACH, rng)):
            sums = name.endswith("png") and number % 2  # readers ignore chunks with wrong checksums
            (folder / f"{number:03}.{name}").write_bytes(files.with_checksums(damaged) if sums else damaged)
    written = sorted(folder.iterdir())
    count = read(written, folder)
    most = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())  # ru_maxrss counts the parent, too
    print(len(written), count, int(most[1]) >> 10 if most else 0)


if __name__ == "__main__":
    main()
