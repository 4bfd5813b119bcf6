"""The report page of people's own photographs and settings: any number of photographs, any target, no study."""

from __future__ import annotations

from typing import Any

import pandas as pd

from stages.report import figures, page
from tests.report.test_summary import score

NO_STUDY = pd.DataFrame({"study": [], "run": [], "variant": [], "psnr": []})


def rendered(photographs: int = 3, conversion: str = "bt601") -> str:
    """The page of one variant and one baseline, with neither figures nor studies."""
    row = score(40.0)
    row["photos"] = {f"photo-{number}": row for number in range(photographs)}
    common: dict[str, Any] = {"inputs": {}, "environment": {}}
    facts = {"recipe": {}, "parameters": 1, "patches_seen": 1, **common}
    baselines = {"scores": {"luma": row}, "photographs": [], "targets": {"conversion": conversion}, **common}
    table = pd.DataFrame({"method": ["luma"], "conversion": ["bt601"]})
    return page.render(
        answer="",
        claims=[],
        variants=["subpixel"],
        evaluations={"baselines": baselines, "subpixel": {"scores": {"subpixel": row}, "latent": 784, **common}},
        training={"subpixel": facts},
        probes=table,
        contrast=table,
        conversions=table,
        test_sets={},
        studies=NO_STUDY,
        counts=pd.DataFrame({"photo": []}),
        figures={},
        drawn_studies={},
        pictures={
            "baselines": {"photograph_colour": b"", "photograph_gray": b""},
            "subpixel": {"photograph": b"", "patches": b""},
        },
    )


def test_a_page_needs_no_study() -> None:
    assert "All runs" not in rendered()


def test_many_photographs_have_no_columns_of_their_own() -> None:
    assert "photo-2" in rendered(photographs=3)
    many = rendered(photographs=1000)
    assert "photo-2" not in many
    assert ">everyday</th>" in many
    assert "scores.csv" in many


def test_luma_is_called_the_target_s_formula_only_where_it_is() -> None:
    assert "its own formula" in rendered()
    assert "its own formula" not in rendered(conversion="lightness")


def test_a_domain_called_noise_is_no_level_of_noise() -> None:
    probes = {"method": ["luma"], "kind": [""], "noise_5_psnr": [30.0], "noise_25_psnr": [20.0]}
    both = [figures.noise(pd.DataFrame(columns)) for columns in (probes, {**probes, "noise_psnr": [40.0]})]
    assert both[0] == both[1]
