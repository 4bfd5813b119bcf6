"""The picture of the README that shows the converter's output: `python -m tools.gallery` (part of `make readme`).

Whole test photographs, each as the command line would convert it. Needs the photographs and models of `make repro`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grayscale.photograph import convert as grayscale
from stages.common import settings
from stages.common.artifacts import ArtifactError
from stages.evaluate.pictures import write_png
from stages.formats.container import Container
from stages.report.figures import result_picture

PICTURE = Path("docs/converted.png")
ROWS = 3
VARIANTS = ("subpixel", "subpixel_bottleneck")
METHODS = ("gradient_correlation",)


def main() -> None:
    """Write the picture, or exit with a message."""
    try:
        photos = Container(Path("data/photos"))
        names = photos.manifest.query("split == 'test'")["name"].head(ROWS)
        write_png(PICTURE, np.concatenate([row(name, photos.read(name)) for name in names]))
    except (ArtifactError, settings.SettingsError) as error:
        raise SystemExit(f"gallery: {error}") from None


def row(name: str, photograph: np.ndarray) -> np.ndarray:
    """The middle of a photograph `(height, width, 3)` uint8 and of its conversions, with their names."""
    panels = {f"{name}\n": photograph}
    trained = [variant for variant in VARIANTS if variant in settings.load().variants]
    panels |= {f"--variant\n{variant}": grayscale(photograph, variant=variant) for variant in trained}
    panels |= {f"--method\n{method}": grayscale(photograph, method=method) for method in METHODS}
    return result_picture(panels)


if __name__ == "__main__":
    main()
