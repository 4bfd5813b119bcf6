"""The report page: one self-contained HTML file, filled from values; everything it shows is inside it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from stages.report import figures, shown, summary
from stages.report.claims import Claim
from stages.report.collect import Results

TEMPLATE = Path(__file__).with_name("page.html")


def render(results: Results, claims: list[Claim], pictures: dict[str, dict[str, bytes]]) -> str:
    """The page as HTML text.

    Args:
        results: all that is shown.
        claims: with their verdicts.
        pictures: per evaluation: name → PNG bytes.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    images = {
        name: {title: "data:image/png;base64," + base64.b64encode(png).decode() for title, png in pngs.items()}
        for name, pngs in pictures.items()
    }
    return environment.get_template(TEMPLATE.name).render(
        results=results,
        answer=summary.answer(results.methods),
        claims=claims,
        shown=compared(results, images),
        methods=rows(shown.methods(results.methods)),
        test_sets={name: rows(shown.methods(table)) for name, table in results.test_sets.items()},
        domains=rows(shown.photographs(of_domains(results.evaluations), "domain")),
        photographs=rows(shown.photographs(results.photographs, "photo")) if len(results.photographs) else [],
        probes=rows(shown.cells(results.probes)),
        contrast=rows(shown.cells(summary.means(results.contrast, "method"))),
        conversions=rows(shown.cells(summary.means(results.conversions, "conversion"))),
        studies=rows(shown.cells(results.studies)),
        origin=rows(shown.cells(results.origin)),
        targets=results.evaluations["baselines"]["targets"],
        figures=figures.of_results(results),
        drawn_studies=figures.of_studies(results.studies),
        images=images,
    )


def compared(results: Results, images: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """The same photograph in colour, as its target, and by each variant, best first: name, numbers and image."""
    found = [
        {"name": "colour", "numbers": "the photograph", "image": images["baselines"]["photograph_colour"]},
        {"name": "target", "numbers": "its gray target", "image": images["baselines"]["photograph_gray"]},
    ]
    for name in (name for name in results.methods.index if name in results.variants):
        row = results.methods.loc[name]
        numbers = f"{row['psnr']:.1f} dB, SSIM {row['ssim']:.4f}"
        found.append({"name": name, "numbers": numbers, "image": images[name]["photograph"]})
    return found


def of_domains(evaluations: dict[str, Any]) -> pd.DataFrame:
    """A row per method and domain: method, domain, and the measures."""
    found = {
        (method, domain): {"method": method, "domain": domain, **scores}
        for evaluation in evaluations.values()
        for method, score in evaluation["scores"].items()
        for domain, scores in score["domains"].items()
    }
    return pd.DataFrame(list(found.values()))


def rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of a table of text."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
