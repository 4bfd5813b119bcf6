"""Verdicts follow the numbers: each claim turns every way, and says what it lacks."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stages.report import claims
from stages.report.claims import ANSWER, FAILS, HOLDS, NOT_SHOWN, OPEN, Claim
from tests.report.conftest import DESIGNS, NARROW, SCENES, WIDE, studies


def changed(study: str, variant: str, **columns: Any) -> pd.DataFrame:
    """`studies` with other values in some rows; of all variants if it is empty."""
    table = studies()
    rows = (table["study"] == study) & ((table["variant"] == variant) | (not variant))
    for column, values in columns.items():
        count = int(rows.sum())
        table.loc[rows, column] = values if np.ndim(values) == 0 else np.resize(np.asarray(values, float), count)
    return table


PLAIN = [claim.sentence for claim in claims.decide(studies())]


def verdict(table: pd.DataFrame, number: int) -> Claim:
    return claims.decide(table)[number - 1]


def test_there_is_a_verdict_on_each_of_eight_claims_and_an_answer_to_two_questions() -> None:
    found = claims.decide(studies())
    assert [claim.claim[:2] for claim in found[:8]] == [f"{number}." for number in range(1, 9)]
    assert [claim.label for claim in found] == [HOLDS] * 8 + [ANSWER] * 2
    assert found[0].runs == ["scenes of naive (10)", "scenes of simple (10)"]
    assert all(claim.runs for claim in found)


# The claim, a change of numbers, the verdict that it turns to, and what the sentence must say then.
TURNS: list[tuple[int, pd.DataFrame, str, str]] = [
    (1, changed("scenes", "naive", chroma_kept=0.1 + NARROW / 9), FAILS, "keeps 10% (9% … 11%)"),
    (1, changed("scenes", "naive", chroma_kept=0.5 + NARROW), NOT_SHOWN, "keeps 50% (42% … 58%)"),
    (1, changed("scenes", "naive", psnr=40 - NARROW), FAILS, "-8.0 dB (-8.2 … -7.8)"),
    (1, changed("scenes", "naive", psnr=32 - WIDE), NOT_SHOWN, "+0.0 dB (-3.8 … +3.8)"),
    (2, changed("scenes", "", hue_contrast=0.1 + NARROW, detail_limit=0.7071), FAILS, "+0.1 gray levels"),
    (2, changed("scenes", "", hue_contrast=1 + NARROW, detail_limit=0.7071), NOT_SHOWN, "+1.0 gray levels"),
    (2, changed("scenes", "", hue_contrast=0.1 + NARROW, detail_limit=0.4 + NARROW / 9), HOLDS, "from 0.4 cycles"),
    (3, changed("photographs", "", psnr=30), FAILS, "gains +0.00 dB (+0.00 … +0.00)"),
    (3, changed("photographs", "", psnr=[20, 40, 20]), NOT_SHOWN, "gains +1.02 dB (-5.79 … +7.83)"),
    (3, changed("scenes", "bottleneck", psnr=38.8 - NARROW), FAILS, "+0.3 dB (+0.1 … +0.4) over `bottleneck`"),
    (3, changed("scenes", "bottleneck", psnr=38 - WIDE), NOT_SHOWN, "+1.1 dB (-2.7 … +4.9) over `bottleneck`"),
    (4, changed("scenes", "adaptive", dct_radial_psnr=39.5 - NARROW), FAILS, "-0.4 dB (-0.6 … -0.3) over DCT by"),
    (4, changed("scenes", "adaptive", pca_psnr=38 - WIDE), NOT_SHOWN, "+1.1 dB (-2.7 … +4.9) over PCA"),
    (5, changed("scenes", "vae", dct_noise_psnr=28), FAILS, "-1.0 dB (-1.1 … -0.9) over DCT with"),
    (5, changed("scenes", "vae", noise_psnr=26.5 + WIDE), NOT_SHOWN, "+0.5 dB (-3.3 … +4.3) over PCA"),
    (5, changed("scenes", "vae", smoothness=0.6 + NARROW / 9), FAILS, "+0.200 (+0.192 … +0.208)"),
    (5, changed("scenes", "vae", smoothness=0.4 + NARROW), NOT_SHOWN, "+0.000 (-0.075 … +0.075)"),
    (6, changed("scenes", "simple_mae", psnr=31 - NARROW), FAILS, "-1.00 dB (-1.18 … -0.82) on everyday (8 scenes)"),
    (6, changed("scenes", "simple_mae", psnr=32 - WIDE), NOT_SHOWN, "+0.00 dB (-4.56 … +4.56) on everyday (8 scenes)"),
    (7, changed("augmentation", "", end_val_psnr=26), FAILS, "loses -0.90 dB (-1.15 … -0.65)"),
    (7, changed("augmentation", "", end_val_psnr=[24, 26, 25]), NOT_SHOWN, "loses +0.10 dB"),
    (8, changed("scenes", "adaptive", psnr=[*[39, 39.2] * 4, 36, 39]), FAILS, "-2.5 dB on histology (1)"),
    (8, changed("scenes", "adaptive", psnr=39 + WIDE), NOT_SHOWN, "-5.1 dB (-18.8 … +8.6)"),
    (9, changed("control", "", psnr=45), ANSWER, "Colour: "),
    (9, changed("control", "", psnr=[30, 45, 32]), NOT_SHOWN, "Neither alone: "),
    (10, changed("scenes", "", luma_ssim=0.9, conv1x1_ssim=0.9), ANSWER, "Yes: "),
    (10, changed("scenes", "", luma_ssim=0.9), ANSWER, "No: "),  # one formula is enough
    (10, changed("scenes", "", luma_ssim=0.95 + NARROW, conv1x1_ssim=0.9), NOT_SHOWN, "That is open: "),
]


@pytest.mark.parametrize(
    ("number", "table", "label", "words"), TURNS, ids=[f"{t[0]}-{t[2]}-{t[3][:20]}" for t in TURNS]
)
def test_a_verdict_turns_when_its_numbers_do(number: int, table: pd.DataFrame, label: str, words: str) -> None:
    assert words not in PLAIN[number - 1] or label == ANSWER
    found = verdict(table, number)
    assert (found.label, words in found.sentence) == (label, True), found.sentence


def test_one_part_that_fails_settles_all_of_them_and_one_that_holds_settles_some() -> None:
    assert claims.every([HOLDS, NOT_SHOWN, FAILS]) == FAILS
    assert claims.some([FAILS, NOT_SHOWN, HOLDS]) == HOLDS
    assert claims.every([HOLDS, NOT_SHOWN]) == claims.some([FAILS, NOT_SHOWN]) == NOT_SHOWN


def test_mae_is_judged_by_domain_and_says_where_scenes_are_too_few() -> None:
    sentence = verdict(studies(), 6).sentence
    assert "+0.50 dB (+0.32 … +0.68) on everyday (8 scenes)" in sentence
    assert "Too few scenes to tell: +0.70 dB on histology, +0.30 dB on medical." in sentence
    two = studies()
    two.loc[two["domain"] == "everyday", "domain"] = (["everyday"] * 4 + ["food"] * 4) * len(DESIGNS)
    two.loc[(two["variant"] == "simple_mae") & (two["domain"] == "everyday"), "psnr"] = 20
    assert verdict(two, 6).label == HOLDS  # one domain is enough


def test_a_claim_without_its_runs_is_not_measured_and_names_the_command() -> None:
    assert {claim.label for claim in claims.decide(pd.DataFrame(columns=["study"]))} == {OPEN}
    table = studies()
    few = table[(table["study"] != "scenes") | table["leave"].isin(SCENES[:2])]
    assert verdict(few, 4).label == OPEN
    assert (
        "`adaptive` on at least 3 left-out scenes, which `make study STUDY=scenes` measures" in verdict(few, 4).sentence
    )
    assert (verdict(few, 7).label, verdict(few, 9).label) == (HOLDS, ANSWER)
    without = verdict(table.drop(index="seeds_vae_1"), 3)
    assert (without.label, "`seeds_vae_1`" in without.sentence, without.runs) == (OPEN, True, [])


def test_the_gain_by_doubling_is_a_regression_s() -> None:
    rng = np.random.default_rng(1)
    points = pd.DataFrame(
        {"photographs": [1, 2, 4, 6, 1, 3], "variant": ["a"] * 4 + ["b"] * 2, "psnr": rng.normal(30, 1, 6)}
    )
    found = claims.doublings(points)
    design = np.column_stack([np.log2(points["photographs"]), points["variant"] == "a", points["variant"] == "b"])
    weights, residual, *_ = np.linalg.lstsq(design.astype(float), points["psnr"].to_numpy(), rcond=None)
    error = np.sqrt(residual[0] / 3 * np.linalg.inv(design.astype(float).T @ design.astype(float))[0, 0])
    assert found.mean == pytest.approx(weights[0])
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 3) * error)
