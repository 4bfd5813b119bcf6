"""Tables hold what evaluations and studies found; the answer follows the numbers."""

from pathlib import Path

import pandas as pd
import pytest

from stages.common.artifacts import ArtifactError
from stages.report import collect, summary
from stages.report.collect import SPLITS
from tests.report.conftest import VARIANTS, table_of_studies


def test_every_method_has_a_row_best_first(results: collect.Results) -> None:
    table = results.methods
    assert table["mse"].is_monotonic_increasing
    assert table.loc["adaptive", ["kind", "latent", "psnr"]].tolist() == ["autoencoder", 261, 38.5]
    assert table.loc["adaptive", ["start_psnr", "gain", "trainable", "steps"]].tolist() == [16, 8.5, 12000, 784]
    assert pd.isna(table.loc["simple", "gain"])  # no code of as many numbers as pixels
    assert table.loc[["luma", "naive_luma"], "kind"].tolist() == ["baseline", "read-out"]
    assert table.loc["adaptive", "psnr_low"] == 37.5
    assert pd.isna(table.loc["luma", "latent"])
    assert set(results.probes["method"]) == set(table["method"])


def test_a_gray_or_colour_control_does_not_answer_the_question(results: collect.Results) -> None:
    table = results.methods.copy()
    assert set(summary.from_colour_to_gray(table).index) == {"simple", "adaptive"}
    table.loc["adaptive", "input"] = "gray"
    assert "adaptive, the best here" not in summary.answer(table, results.studies)
    table.loc["simple", "target"] = "colour"
    assert summary.answer(table, results.studies) == "No variant in this run was trained from colour to gray."


def test_the_answer_says_what_the_formula_does_as_well_and_where_learning_is_worth_it(results: collect.Results) -> None:
    table, told = results.methods.copy(), summary.answer(results.methods, results.studies)
    assert "adaptive, the best here, gets 38.5% of the pixels" in told
    assert "The formula luma, which learns nothing, does it as well or better (61.0%, 0.6100)." in told
    assert "with 261 numbers per patch, adaptive is 8.50 dB above the best fixed code of that size" in told
    assert told.endswith("over 10 left-out scenes.")
    table.loc["adaptive", ["mse", "gain"]] = [0, -1]
    told = summary.answer(table, results.studies)
    assert "which learns nothing, does not do it as well" in told
    assert told.endswith("Learning is not worth it here: no network is above the best fixed code of as many numbers.")


def test_damaged_photographs_are_a_table_of_means_and_intervals(results: collect.Results) -> None:
    (_, psnr), (_, ssim), (title, spectrum) = summary.restored(results.restored).items()
    assert psnr["method"].tolist() == ["luma", "mean_rgb", "green", "conv1x1"]
    assert psnr["gaussian 25"].tolist() == ["25.50 (19.15 … 31.85)"] * 4  # 25 and 26 dB: 25.5 ± 12.706 / 2
    assert psnr["gaussian 0"].tolist() == [""] * 4  # all are exact
    assert ssim["gaussian 0"].tolist() == ["1.000 (1.000 … 1.000)"] * 4
    assert title.endswith("at gaussian 25")
    assert spectrum.iloc[3].tolist() == ["conv1x1", *["-3.5"] * 8]


def test_beside_peers_the_gain_is_of_the_same_photographs(results: collect.Results) -> None:
    (name, rows), *others = results.peers.items()
    assert (name, others) == ("this", [])
    told = summary.beside_peers(rows, "denoise")
    assert told["PSNR dB"]["gaussian 25"].tolist() == ["31.50 (25.15 … 37.85)", "30.00 (30.00 … 30.00)"]
    gain = told["PSNR dB of denoise less the method's"]
    assert gain.to_numpy().tolist() == [["bm3d", "+1.50 (-4.85 … +7.85)"]]
    assert told["Megapixels per CPU second"].to_numpy().tolist() == [["denoise", "2"], ["bm3d", "2"]]


@pytest.mark.parametrize(("errors", "limit"), [([-20, -3.0, -2.9, 0], 0.5), ([-20, -10, -4, -3.1], 1.0), ([0] * 4, 0)])
def test_detail_ends_at_the_first_band_that_loses_half_of_its_energy(errors: list[float], limit: float) -> None:
    low = [0, 0.25, 0.5, 0.75]
    bands = pd.DataFrame({"low": low, "high": [*low[1:], 1.0], "relative_error_db": errors})
    assert summary.detail_limit(bands) == limit


def test_seeds_are_told_from_three_runs_on() -> None:
    runs = pd.DataFrame({"study": "seeds", "variant": ["a"] * 3 + ["b"] * 2, "psnr": [30.0, 31, 32, 1, 2]})
    assert summary.seeds(runs) == {"a": "31.00 ± 1.00"}


def test_studies_that_do_not_go_with_the_results_are_left_out(results: collect.Results, tmp_path: Path) -> None:
    table = table_of_studies()

    def kept(row: str, **changed: object) -> set[str]:
        """The variants whose runs are shown if this row is changed."""
        other = table.copy()
        for column, value in changed.items():
            other.loc[row, column] = value
        other.to_csv(tmp_path / "studies.csv", index=False)
        found = collect.studies({name: results.evaluations[name] for name in VARIANTS}, tmp_path / "studies.csv")
        assert "made_from" not in found
        return set(found["run"])

    mine = set(table.index[table["variant"].isin(VARIANTS)])  # others are of no variant that there is
    of_simple = set(table.index[table["variant"] == "simple"])
    assert kept("seeds_simple_1") == mine
    for split in SPLITS:  # other patches
        assert kept("scenes_simple_scene3", **{split: "4" * 12}) == mine - {"scenes_simple_scene3"}
    assert kept("scenes_simple_scene3", variant_from="f" * 12) == mine - {"scenes_simple_scene3"}  # other code
    assert kept("seeds_simple_1", psnr=28.1) == mine - of_simple  # not what the pipeline finds
    (tmp_path / "studies.csv").write_text("\n")  # an empty table of pandas
    with pytest.raises(ArtifactError, match=r"studies.csv is not a table of runs; `git checkout "):
        collect.studies({}, tmp_path / "studies.csv")
    assert kept("seeds_simple_1", run="seeds_simple_2") == (mine | {"seeds_simple_2"}) - of_simple - {"seeds_simple_2"}


def test_distributions_are_the_quantiles_of_psnr_and_ssim(results: collect.Results) -> None:
    row = results.distributions.query("method == 'adaptive' and measure == 'PSNR dB'").iloc[0]
    assert (row["p0"], row["p50"], row["p100"]) == (37.5, 38.5, 39.5)
    assert list(results.distributions["measure"].unique()) == ["PSNR dB", "SSIM"]


def test_where_learning_meets_noise_is_a_sentence_by_the_numbers(results: collect.Results) -> None:
    rows = results.restored
    assert summary.under_noise(rows, ["simple"]) == ""  # nobody learned to undo noise
    levels = rows["level"] > 0
    for method, psnr in {"denoise": 31.5, "denoise_start": 30.9, "nl_means": 30.5, "tv": 29.0}.items():
        mine = rows[(rows["method"] == "luma") & levels].assign(method=method, psnr=psnr)
        rows = pd.concat([rows, mine], ignore_index=True)
    told = summary.under_noise(rows, ["simple", "denoise"])
    assert "denoise estimates the noise" in told
    luma = rows["psnr"][(rows["method"] == "luma") & levels].mean()
    assert told.endswith(
        f"denoise has 31.5 dB (30.9 before its first step), luma {luma:.1f}, the best filter, nl_means, 30.5."
    )
