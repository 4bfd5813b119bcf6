"""The report page: one self-contained HTML file, filled from values; everything it shows is inside it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from stages.report.claims import Claim

TEMPLATE = Path(__file__).with_name("page.html")
ENOUGH_SEEDS = 3
MOST_PHOTOGRAPHS = 24  # that have columns of their own


def render(
    *,
    answer: str,
    claims: list[Claim],
    variants: list[str],
    evaluations: dict[str, Any],
    training: dict[str, Any],
    probes: pd.DataFrame,
    contrast: pd.DataFrame,
    conversions: pd.DataFrame,
    test_sets: dict[str, pd.DataFrame],
    studies: pd.DataFrame,
    counts: pd.DataFrame,
    figures: dict[str, str],
    drawn_studies: dict[str, str],
    pictures: dict[str, dict[str, bytes]],
) -> str:
    """The page as HTML text.

    Args:
        answer: to the question, in a sentence.
        claims: with their verdicts.
        variants: their names, in order.
        evaluations: what each variant's evaluation and that of the `baselines` found, with the hashes of their inputs.
        training: per variant: the facts that training left, with its recipe and the hashes of its inputs.
        probes: the columns of metrics/probes.csv.
        contrast: method, and the measures of decolorization; the target is a method, too.
        conversions: conversion, whole_psnr and whole_ssim against the target, and the measures of decolorization.
        test_sets: further ones: name → a row per method.
        studies: the columns of metrics/studies.csv.
        counts: photo, split, patches, kept.
        figures: title → SVG text, of the results.
        drawn_studies: the same of the studies.
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
        claims=claims,
        variants=variants,
        rows=_rows(evaluations, training, seeds(studies)),
        evaluations=evaluations,
        training=training,
        probes=_cells(probes),
        contrast=_cells(contrast),
        conversions=_cells(conversions),
        test_sets={name: _cells(rows) for name, rows in test_sets.items()},
        studies=_cells(studies),
        counts=counts.to_dict("records"),
        figures=figures,
        drawn_studies=drawn_studies,
        images=images,
        most_photographs=MOST_PHOTOGRAPHS,
    )


def seeds(studies: pd.DataFrame) -> dict[str, str]:
    """Variant → mean ± standard deviation of the test PSNR (dB) over its seeds, where there are at least three."""
    found = {}
    for variant, runs in studies[studies["study"] == "seeds"].groupby("variant"):
        if len(runs) >= ENOUGH_SEEDS:
            found[str(variant)] = f"{runs['psnr'].mean():.2f} ± {runs['psnr'].std():.2f}"
    return found


def _cells(table: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of text for a table that shows all columns as they stand in its file."""
    return [
        {
            key: "" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]


def _rows(evaluations: dict[str, Any], training: dict[str, Any], luck: dict[str, str]) -> list[dict[str, Any]]:
    """Every method of every evaluation once, best PSNR first; `luck` is what `seeds` says of variants."""
    rows: dict[str, dict[str, Any]] = {}
    for name, evaluation in evaluations.items():
        for method, score in evaluation["scores"].items():
            if method == name:
                facts = {"latent": evaluation["latent"], "seeds": luck.get(name, ""), **training[name]}
                rows[method] = {"method": method, "kind": "autoencoder", **score, **facts}
            else:
                kind = "read-out" if method.startswith(f"{name}_") else "baseline"
                rows[method] = {"method": method, "kind": kind, **score}
    return sorted(rows.values(), key=lambda row: -row["psnr"])
