"""The summary nests and rounds; the answer follows the numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from stages.report import summary


def score(psnr: float) -> dict[str, Any]:
    row = {
        "psnr": psnr,
        "ssim": 0.123456789,
        "mse": 0.1,
        "mae": 0.1,
        "psnr_of_mean_mse": psnr,
        "patches": 3,
        "exact": 0,
        "interval": {"psnr": {"low": psnr - 1.23456, "high": psnr + 1}, "ssim": {"low": 0.1, "high": 0.123456789}},
        "probes": {
            "chroma_r2": 0.123456,
            "chroma_levels": 1.0,
            "isoluma_contrast": 2.0,
            "smoothness": 0.5,
            "noise": {"5": {"psnr": psnr - 0.12345, "ssim": 0.5, "smoothness": 1.0}},
        },
    }
    return {**row, "domains": {"everyday": row}, "photos": {"coffee": row}}


def evaluations(best: float, luma: float) -> dict[str, Any]:
    return {
        "baselines": {
            "scores": {"luma": score(luma), "mean_rgb": score(0.5), "green": score(1.0), "conv1x1": score(luma + 1)}
        },
        "b": {"scores": {"b": score(best), "pca_784": score(99.0)}, "latent": 784, "parameters": 5, "epochs": 2},
        "a": {"scores": {"a": score(2.0), "pca_32": score(3.0)}, "latent": 32, "parameters": 7, "epochs": 2},
        "c": {
            "scores": {"c": score(50.0), "pca_784": score(99.0), "c_luma": score(4.0)},
            "latent": 784,
            "parameters": 7,
            "epochs": 2,
            "chroma_of_input": 10.0,
            "chroma_of_output": 9.0,
        },
    }


def contrast(evaluations: dict[str, Any]) -> pd.DataFrame:
    """What the evaluations found on two photographs, for their methods and the target."""
    methods = ["target", *(method for evaluation in evaluations.values() for method in evaluation["scores"])]
    rows = [(method, photo) for photo in ("coffee", "chelsea") for method in dict.fromkeys(methods)]
    table = pd.DataFrame(rows, columns=["method", "photo"]).assign(domain="everyday", ccpr_neighbours=1 / 3)
    return table.assign(e_random=(table["photo"] == "coffee").astype(float))


def test_rows_stand_in_a_stable_order_and_are_rounded() -> None:
    table = summary.build(evaluations(40.0, 60.0), ["b", "a", "c"])
    assert list(table["variants"]) == ["b", "a", "c"]
    assert list(table["baselines"]) == ["luma", "mean_rgb", "green", "conv1x1", "pca_32", "pca_784"]
    assert table["variants"]["b"]["ssim"] == 0.12346
    assert table["variants"]["c"]["read_outs"]["luma"]["psnr"] == 4.0
    assert table["variants"]["b"]["interval"] == {
        "psnr": {"low": 38.765, "high": 41.0},
        "ssim": {"low": 0.1, "high": 0.12346},
    }


def test_the_probes_of_all_methods_are_one_rounded_table() -> None:
    bands = pd.DataFrame({"method": "a", "low": [0.0, 0.1, 0.2], "high": [0.1, 0.2, 0.5], "relative_error_db": -9.0})
    found = evaluations(40.0, 60.0)
    bands = pd.concat([bands.assign(method=name) for name in ("a", "b")])
    table = summary.probes(found, bands, contrast(found)).set_index("method")
    assert list(table.index)[:4] == ["luma", "mean_rgb", "green", "conv1x1"]
    assert "target" not in table.index
    assert table.loc["b", ["chroma_r2", "noise_5_psnr", "everyday_ssim"]].tolist() == [0.1235, 39.877, 0.12346]
    assert table.loc["b", ["ccpr_neighbours", "e_random"]].tolist() == [0.3333, 0.5]


def test_means_over_photographs_keep_the_order_and_are_rounded() -> None:
    rows = [
        ("luma", "one", 30.00049, 0.9),
        ("green", "one", 20, 0.5),
        ("luma", "two", 40, 0.800001),
        ("green", "two", 21, 0.6),
    ]
    table = pd.DataFrame(rows, columns=["conversion", "photo", "psnr", "ssim"]).assign(domain="everyday")
    found = summary.means(table, "conversion")
    assert found.to_dict("list") == {"conversion": ["luma", "green"], "psnr": [35.0, 20.5], "ssim": [0.85, 0.55]}


@pytest.mark.parametrize(("errors", "limit"), [([-9, -9, -9], 0.5), ([-9, -2, -9], 0.1), ([-2, 1, 1], 0.0)])
def test_detail_is_lost_where_half_of_a_band_is(errors: list[float], limit: float) -> None:
    bands = pd.DataFrame({"low": [0.0, 0.1, 0.2], "high": [0.1, 0.2, 0.5], "relative_error_db": errors})
    assert summary.detail_limit(bands) == limit


def test_the_answer_names_the_best_gray_variant_and_flips_with_the_numbers() -> None:
    behind = summary.answer(summary.build(evaluations(40.0, 60.0), ["b", "a", "c"]))
    assert "best autoencoder here, b, " in behind
    assert "luma, which needs no learning at all, reaches 60.0 dB" in behind
    ahead = summary.answer(summary.build(evaluations(70.0, 60.0), ["b", "a", "c"]))
    assert "Of the formulae luma, mean_rgb and green none does better: the best, luma, reaches 60.0 dB" in ahead


def test_a_run_without_a_gray_variant_says_so() -> None:
    table = summary.build({name: evaluations(1, 2)[name] for name in ("baselines", "c")}, ["c"])
    assert summary.answer(table) == "No variant in this run was trained from colour to gray."


def test_a_variant_that_sees_gray_converts_nothing_and_is_not_the_answer() -> None:
    table = summary.build(evaluations(40.0, 30.0), ["b", "a", "c"], see_gray=["b"])
    assert table["variants"]["b"]["input"] == "gray"
    assert "best autoencoder here, a, " in summary.answer(table)
