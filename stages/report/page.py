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
    summary: dict[str, Any],
    evaluations: dict[str, Any],
    training: dict[str, Any],
    census: pd.DataFrame,
    figures: dict[str, str],
    pictures: dict[str, dict[str, bytes]],
) -> str:
    """The page as HTML text.

    Args:
        answer: to the question, in a sentence.
        summary: the content of metrics/summary.json.
        evaluations: per variant and for `baselines`: facts, scores per photograph, input hashes.
        training: per variant: the facts that training left, with its recipe and input hashes.
        census: photo, split, patches, kept.
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
    scores = {method: score for evaluation in evaluations.values() for method, score in evaluation["scores"].items()}
    per_photo = {method: score["photos"] for method, score in sorted(scores.items(), key=lambda item: -item[1]["psnr"])}
    return environment.get_template(TEMPLATE.name).render(
        answer=answer,
        rows=_rows(summary),
        summary=summary,
        evaluations=evaluations,
        training=training,
        census=census.to_dict("records"),
        figures=figures,
        images=images,
        per_photo=per_photo,
        photos=sorted(next(iter(per_photo.values()))),
    )


def _rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Every method of the results table, best PSNR first; read-outs of a variant are rows of their own."""
    rows = [{"name": name, "kind": "formula or PCA", **row} for name, row in summary["baselines"].items()]
    for name, row in summary["variants"].items():
        rows.append({"name": name, "kind": "autoencoder", **row})
        for read_out, score in row.get("read_outs", {}).items():
            rows.append({"name": f"{name}: {read_out.replace('_', ' ')}", "kind": "read-out", **score})
    return sorted(rows, key=lambda row: -row["psnr"])
