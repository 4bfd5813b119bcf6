"""The report page: one self-contained HTML file."""

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from stages.report import figures, summary, text
from stages.report.claims import Claim
from stages.report.collect import PEER_OF, Results

TEMPLATE = Path(__file__).with_name("page.html")


def render(results: Results, claims: list[Claim]) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = lambda png: f"data:image/png;base64,{base64.b64encode(png).decode()}"
    axis = summary.latent_axis(results.studies)
    tables = {
        "methods": text.methods(results.methods),
        "domains": text.photographs(of_domains(results.evaluations), "domain"),
        "photographs": text.photographs(results.photographs, "photo"),
        "probes": text.cells(results.probes),
        "contrast": text.cells(summary.means(results.contrast, "method")),
        "conversions": text.cells(summary.means(results.conversions, "conversion")),
        "scenes": summary.scenes(results.studies),
        "axis": text.cells(axis),
        "studies": text.cells(results.studies),
        "origin": text.cells(results.origin),
    }
    return environment.get_template(TEMPLATE.name).render(
        **{name: table.to_dict("records") for name, table in tables.items()},
        results=results,
        answer=summary.answer(results.methods, results.studies),
        under_noise=summary.under_noise(results.restored, results.variants),
        restored={title: table.to_dict("records") for title, table in summary.restored(results.restored).items()},
        peers={
            name: {title: table.to_dict("records") for title, table in summary.beside_peers(rows, PEER_OF).items()}
            for name, rows in results.peers.items()
        },
        crossing=summary.crossing(axis) if len(axis) else "",
        claims=claims,
        shown=compared(results),
        test_sets={name: text.methods(table).to_dict("records") for name, table in results.test_sets.items()},
        targets=results.evaluations["baselines"]["targets"],
        figures=figures.of_results(results),
        drawn_studies=figures.of_studies(results.studies),
    )


def compared(results: Results) -> list[tuple[str, str, bytes]]:
    """The same photograph in colour, as its target, and by each variant, best first: name, numbers and PNG."""
    given, methods = results.pictures["baselines"], results.methods
    return [
        ("colour", "the photograph", given["photograph_colour"]),
        ("target", "its gray target", given["photograph_gray"]),
        *(
            (name, f"{row['psnr']:.1f} dB, SSIM {row['ssim']:.4f}", results.pictures[name]["photograph"])
            for name, row in methods[methods.index.isin(results.variants)].iterrows()
        ),
    ]


def of_domains(evaluations: dict[str, Any]) -> pd.DataFrame:
    """A row per method and domain: method, domain, and the measures."""
    rows = [
        {"method": method, "domain": domain, **scores}
        for evaluation in evaluations.values()
        for method, score in evaluation["scores"].items()
        for domain, scores in score["domains"].items()
    ]
    return pd.DataFrame(rows).drop_duplicates(["method", "domain"])
