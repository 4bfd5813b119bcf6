"""The report page: one self-contained HTML file."""

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from stages.evaluate.pictures import middle
from stages.report import figures, text
from stages.report.claims import Claim
from stages.report.collect import Results

TEMPLATE = Path(__file__).with_name("page.html")
SHOWN = (160, 240)  # pixels of the pictures, rows and columns
QUALITY = 85  # of their JPEGs


def render(results: Results, claims: list[Claim]) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE.name).render(
        results=results,
        answer=text.answer(results),
        shown=compared(results),
        methods=text.methods(results.methods),
        claims=claims,
        figures=figures.of_results(results),
        sections=text.sections(results),
    )


def compared(results: Results) -> list[tuple[str, str, str]]:
    """The same photograph in colour, as its target, and by each variant, best first: name, numbers and picture."""
    given, methods = results.pictures["baselines"], results.methods
    return [
        ("colour", "the photograph", _jpeg(given["photograph_colour"])),
        ("target", "its gray target", _jpeg(given["photograph_gray"])),
        *(
            (name, f"{row['psnr']:.1f} dB, SSIM {row['ssim']:.4f}", _jpeg(results.pictures[name]["photograph"]))
            for name, row in methods[methods.index.isin(results.variants)].iterrows()
        ),
    ]


def _jpeg(png: bytes) -> str:
    """The middle of a picture as a data URI."""
    shown = middle(np.asarray(Image.open(io.BytesIO(png))), *SHOWN)
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
