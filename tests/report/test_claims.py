"""Verdicts follow the numbers: each claim is decided both ways, and says which row it lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pandas as pd
import pytest

from stages.report import claims
from stages.report.claims import ANSWER, FAILS, HOLDS, OPEN, Claim, Evidence

TITLES = list(claims.CLAIMS)
Change = Callable[[Evidence], None]


def score(psnr: float, ssim: float, **facts: float) -> dict[str, float]:
    return {"psnr": psnr, "ssim": ssim, **facts}


def probe(
    contrast: float, detail: float, smooth: float, noisy: float, everyday: float, histology: float
) -> dict[str, float]:
    return {
        "isoluma_contrast": contrast,
        "detail_limit": detail,
        "smoothness": smooth,
        "whole_psnr": 1.0,  # of whole photographs, which are no domain
        "whole_ssim": 0.1,
        "noise_5_psnr": noisy + 5,
        "noise_25_psnr": noisy,
        "everyday_psnr": everyday,
        "everyday_ssim": 0.9,
        "histology_psnr": histology,
        "histology_ssim": 0.8,
    }


def run(study: str, variant: str, psnr: float, photographs: int = 6, **more: float) -> dict[str, object]:
    return {"study": study, "variant": variant, "psnr": psnr, "photographs": photographs, **more}


@pytest.fixture
def evidence() -> Evidence:
    """Numbers of nothing real, of which every claim holds."""
    variants = {
        "simple": score(30, 0.8, latent=784),
        "simple_mae": score(30, 0.8, latent=784),
        "vae": score(25, 0.6, latent=32, kl_nats=80),
        "naive": score(20, 0.6, latent=784, chroma_of_input=20, chroma_of_output=19),
        "subpixel": score(60, 0.9999, latent=784),
        "subpixel_bottleneck": score(40, 0.997, latent=261),
    }
    baselines = {
        "luma": score(61, 0.9999),
        "mean_rgb": score(35, 0.99),
        "conv1x1": score(62, 0.9999),
        "pca_261": score(36, 0.91),
    }
    probes = {
        "simple": probe(9, 0.125, 0.5, 26, 30, 29),
        "simple_mae": probe(9, 0.125, 0.5, 26, 31, 29),
        "vae": probe(5, 0.0625, 0.3, 28, 25, 24),
        "subpixel": probe(0.1, 0.7071, 1, 24, 60, 61),
        "subpixel_bottleneck": probe(0.2, 0.3, 0.8, 27, 40, 39),
        "pca_32": probe(0.4, 0.1, 0.4, 27, 28, 27),
        "luma": probe(0, 0.7071, 1, 24, 61, 60),
        "mean_rgb": probe(20, 0.7071, 1, 24, 35, 36),
    }
    studies = {
        "seeds_simple_1": run("seeds", "simple", 30.0),
        "seeds_simple_2": run("seeds", "simple", 30.1),
        "seeds_simple_3": run("seeds", "simple", 29.9),
        "seeds_subpixel_1": run("seeds", "subpixel", 60),
        "photographs_simple_1": run("photographs", "simple", 27, photographs=1),
        "photographs_subpixel_1": run("photographs", "subpixel", 60, photographs=1),
        "photographs_bottleneck_1": run("photographs", "bottleneck", 24, 2, val_psnr=25, end_val_psnr=25),
        "control_simple": run("control", "simple", 30.5),
        "augmentation_bottleneck_1": run(
            "augmentation", "bottleneck", 22, 1, val_psnr=24, end_val_psnr=22, end_train_psnr=30
        ),
    }
    return Evidence(
        {"variants": variants, "baselines": baselines},
        pd.DataFrame(probes).T,
        pd.DataFrame(studies).T.infer_objects(),
    )


def verdict(evidence: Evidence, number: int) -> Claim:
    return claims.settle(evidence)[number - 1]


def test_there_is_a_verdict_on_each_of_eight_claims_and_an_answer_to_two_questions(evidence: Evidence) -> None:
    found = claims.settle(evidence)
    assert [claim.claim[:2] for claim in found[:8]] == [f"{number}." for number in range(1, 9)]
    assert [claim.label for claim in found] == [HOLDS] * 8 + [ANSWER] * 2
    assert all(claim.rows for claim in found)


def summary(group: str, method: str, **facts: float) -> Change:
    return lambda evidence: evidence.summary[group][method].update(facts)


def probes(method: str, column: str, value: float) -> Change:
    def change(evidence: Evidence) -> None:
        evidence.probes.loc[method, column] = value

    return change


def study(name: str, column: str, value: float) -> Change:
    def change(evidence: Evidence) -> None:
        evidence.studies.loc[name, column] = value

    return change


# The claim, a change of one number that turns it, and what its sentence must say then.
TURNS: list[tuple[int, Change, str]] = [
    (1, summary("variants", "naive", chroma_of_output=1), "keeps 5% of the chroma"),
    (1, summary("variants", "naive", psnr=31), "scores 31.0 dB against gray"),
    (2, probes("subpixel", "isoluma_contrast", 3), "`subpixel` shows 3.00 levels"),
    (2, probes("subpixel", "detail_limit", 0.375), "keeps detail to 0.38."),
    (3, study("photographs_simple_1", "psnr", 30.04), "`simple` +0.0, `subpixel` +0.0. At 6"),  # no negative zero
    (4, summary("variants", "subpixel_bottleneck", ssim=0.98), "40.0 dB / 0.980"),
    (4, summary("baselines", "mean_rgb", ssim=0.999), "G and B: 0.999"),
    (5, probes("vae", "noise_25_psnr", 26), "`vae` scores 26.0 dB"),
    (5, probes("vae", "smoothness", 0.9), "0.90 times"),
    (6, probes("simple_mae", "everyday_psnr", 30.1), "+0.10 dB on everyday"),
    (6, study("seeds_simple_3", "psnr", 31), "luck: 1.10"),
    (8, probes("subpixel", "histology_psnr", 35), "35.0 dB / 0.8000 on histology"),
]


@pytest.mark.parametrize(("number", "change", "words"), TURNS)
def test_a_verdict_turns_when_its_number_does(evidence: Evidence, number: int, change: Change, words: str) -> None:
    before = claims.settle(evidence)
    changed = copy.deepcopy(evidence)
    change(changed)
    after = verdict(changed, number)
    assert after.label == FAILS
    assert words in after.sentence
    assert before[number - 1].label == HOLDS
    assert before[number - 1].sentence != after.sentence


def test_photographs_of_people_s_own_may_have_other_domains(evidence: Evidence) -> None:
    evidence.probes.columns = evidence.probes.columns.str.replace("everyday", "noise").str.replace("histology", "map")
    assert evidence.domains() == ["noise", "map"]
    assert "+1.00 dB on noise, +0.00 dB on map;" in verdict(evidence, 6).sentence
    assert "At noise of 25 gray levels" in verdict(evidence, 5).sentence
    assert (verdict(evidence, 8).label, verdict(evidence, 8).rows) == (OPEN, ())
    assert "`everyday` and `histology`" in verdict(evidence, 8).sentence


def test_whole_photographs_are_no_domain(evidence: Evidence) -> None:
    assert evidence.domains() == ["everyday", "histology"]
    assert "whole" not in verdict(evidence, 6).sentence + verdict(evidence, 8).sentence


@pytest.mark.parametrize("change", ["naive sees gray targets", "simple sees gray", "simple is gone"])
def test_the_naive_control_needs_its_two_networks_as_they_are_meant(evidence: Evidence, change: str) -> None:
    variants = evidence.summary["variants"]
    if change == "naive sees gray targets":
        del variants["naive"]["chroma_of_output"]
    elif change == "simple sees gray":
        variants["simple"]["input"] = "gray"
    else:
        del variants["simple"]
    assert verdict(evidence, 1).label == OPEN
    assert ("`naive`" if "naive" in change else "`simple`") in verdict(evidence, 1).sentence


def test_overfitting_needs_no_care_where_neither_stopping_nor_augmentation_helps(evidence: Evidence) -> None:
    study("augmentation_bottleneck_1", "val_psnr", 25)(evidence)
    assert verdict(evidence, 7).label == HOLDS  # the last epoch is still worse than the best
    study("augmentation_bottleneck_1", "end_val_psnr", 25)(evidence)
    assert verdict(evidence, 7).label == FAILS


def test_architectures_that_are_alike_do_not_matter(evidence: Evidence) -> None:
    study("seeds_subpixel_1", "psnr", 30.5)(evidence)
    assert verdict(evidence, 3).label == FAILS


def test_the_need_for_an_autoencoder_turns_too(evidence: Evidence) -> None:
    assert verdict(evidence, 10).sentence.startswith("No: a fitted 1 × 1 convolution scores 62.0 dB")
    summary("variants", "subpixel", psnr=63)(evidence)
    assert verdict(evidence, 10).sentence.startswith("It does better")


def test_a_claim_without_its_rows_is_not_measured_and_says_which_is_missing(evidence: Evidence) -> None:
    del evidence.summary["variants"]["naive"]
    assert verdict(evidence, 1).label == OPEN
    assert "needs `naive`" in verdict(evidence, 1).sentence
    nothing = Evidence(
        {"variants": {}, "baselines": {}},
        pd.DataFrame(),
        pd.DataFrame({"study": [], "variant": [], "psnr": [], "photographs": []}),
    )
    assert {claim.label for claim in claims.settle(nothing)} == {OPEN}
