"""The report page: one self-contained HTML file, filled from values; everything it shows is inside it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

TEMPLATE = Path(__file__).with_name("page.html")


def render(
    *,
    answer: str,
    variants: list[str],
    evaluations: dict[str, Any],
    training: dict[str, Any],
    counts: pd.DataFrame,
    figures: dict[str, str],
    pictures: dict[str, dict[str, bytes]],
) -> str:
    """The page as HTML text.

    Args:
        answer: to the question, in a sentence.
        variants: their names, in order.
        evaluations: what each variant's evaluation and that of the `baselines` found, with the hashes of their inputs.
        training: per variant: the facts that training left, with its recipe and the hashes of its inputs.
        counts: photo, split, patches, kept.
        figures: title → SVG text.
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
        answer=answer,
        variants=variants,
        rows=_rows(evaluations, training),
        evaluations=evaluations,
        training=training,
        counts=counts.to_dict("records"),
        figures=figures,
        images=images,
    )


def _rows(evaluations: dict[str, Any], training: dict[str, Any]) -> list[dict[str, Any]]:
    """Every method of every evaluation once, best PSNR first."""
    rows: dict[str, dict[str, Any]] = {}
    for name, evaluation in evaluations.items():
        for method, score in evaluation["scores"].items():
            if method == name:
                facts = {"latent": evaluation["latent"], **training[name]}
                rows[method] = {"method": method, "kind": "autoencoder", **score, **facts}
            else:
                kind = "read-out" if method.startswith(f"{name}_") else "baseline"
                rows[method] = {"method": method, "kind": kind, **score}
    return sorted(rows.values(), key=lambda row: -row["psnr"])
