"""Tables hold what evaluations and studies found; the answer follows the numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from stages.report import collect, summary
from stages.report.collect import SPLITS
from tests.report import made


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> collect.Results:
    made.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return collect.collect(list(made.VARIANTS), [])


def test_every_method_has_a_row_best_first_and_the_stage_that_scored_it(results: collect.Results) -> None:
    table = results.methods
    assert table["psnr"].is_monotonic_decreasing
    assert table.loc["subpixel", ["kind", "stage", "latent", "psnr"]].tolist() == [
        "autoencoder", "evaluate@subpixel", 784, 60.0,
    ]  # fmt: skip
    assert table.loc["luma", ["kind", "stage"]].tolist() == ["baseline", "baselines"]
    assert table.loc["naive_luma", ["kind", "stage"]].tolist() == ["read-out", "evaluate@naive"]
    assert list(table.index).count("pca_784") == 1
    assert table.loc["subpixel", "psnr_low"] == 59
    assert pd.isna(table.loc["luma", "latent"])
    assert set(results.probes["method"]) == set(table["method"])


def test_a_gray_or_colour_control_does_not_answer_the_question(results: collect.Results) -> None:
    table = results.methods
    assert set(summary.from_colour_to_gray(table).index) == {"simple", "subpixel"}
    table.loc["subpixel", "input"] = "gray"
    assert summary.answer(table).startswith("The best autoencoder here, simple,")
    table.loc["simple", "target"] = "colour"
    assert summary.answer(table) == "No variant in this run was trained from colour to gray."


def test_the_answer_names_the_best_formula_and_says_whether_it_is_better(results: collect.Results) -> None:
    assert "The formula luma, which needs no learning at all, reaches 61.0 dB." in summary.answer(results.methods)
    results.methods.loc["luma", "psnr"] = 59
    ordered = results.methods.sort_values("psnr", ascending=False)
    assert "luma, mean_rgb and green none does better: the best, luma, reaches 59.0 dB." in summary.answer(ordered)


@pytest.mark.parametrize(("errors", "limit"), [([-20, -3.0, -2.9, 0], 0.5), ([-20, -10, -4, -3.1], 1.0), ([0] * 4, 0)])
def test_detail_ends_at_the_first_band_that_loses_half_of_its_energy(errors: list[float], limit: float) -> None:
    low = [0, 0.25, 0.5, 0.75]
    bands = pd.DataFrame({"low": low, "high": [*low[1:], 1.0], "relative_error_db": errors})
    assert summary.detail_limit(bands) == limit


def test_seeds_are_told_from_three_runs_on() -> None:
    runs = pd.DataFrame({"study": "seeds", "variant": ["a"] * 3 + ["b"] * 2, "psnr": [30.0, 31, 32, 1, 2]})
    assert summary.seeds(runs) == {"a": "31.00 ± 1.00"}


@pytest.mark.parametrize("other", SPLITS)
def test_studies_of_other_patches_are_left_out(other: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"run": ["a", "b"], "psnr": 30, "made_from": "1e2345678901", **dict.fromkeys(SPLITS, "0" * 12)}
    )
    table.loc[1, other] = "4" * 12
    table.to_csv(tmp_path / "studies.csv", index=False)
    found = collect.studies(made.INPUTS, tmp_path / "studies.csv")
    assert found.index.tolist() == ["a"]
    assert found.to_dict("records") == [{"run": "a", "psnr": 30, "made_from": "1e2345678901"}]


def test_distributions_are_the_quantiles_of_psnr_and_ssim(results: collect.Results) -> None:
    row = results.distributions.query("method == 'subpixel' and measure == 'PSNR dB'").iloc[0]
    assert (row["p0"], row["p50"], row["p100"]) == (59, 60, 61)
    assert list(results.distributions["measure"].unique()) == ["PSNR dB", "SSIM"]
