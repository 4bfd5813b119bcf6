"""Verdicts follow the numbers: each claim is decided both ways, at the edges too, and says which row it lacks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import pytest

from stages.report import claims
from stages.report.claims import ANSWER, FAILS, HOLDS, OPEN, Claim, Evidence

Change = Callable[[Evidence], None]


def variant(psnr: float, ssim: float, latent: int = 784, target: str = "gray", **facts: float) -> dict[str, object]:
    recipe = {"kind": "autoencoder", "input": "colour", "target": target}
    return {"psnr": psnr, "ssim": ssim, "latent": latent, **recipe, **facts}


def probe(
    contrast: float, detail: float, smooth: float, noisy: float, everyday: float, section: float
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
        "histology_psnr": section,
        "histology_ssim": 0.8,
    }


def run(study: str, variant: str, psnr: float, photographs: int = 6, **more: float) -> dict[str, object]:
    return {"study": study, "variant": variant, "psnr": psnr, "photographs": photographs, **more}


@pytest.fixture
def evidence() -> Evidence:
    """Numbers of nothing real, of which every claim holds."""
    methods = {
        "simple": variant(30, 0.8),
        "simple_mae": variant(30, 0.8),
        "vae": variant(25, 0.6, latent=32, kl_nats=80),
        "other_vae": variant(25, 0.6, latent=32, kl_nats=80),
        "naive": variant(20, 0.6, target="colour", chroma_of_input=20, chroma_of_output=19),
        "subpixel": variant(60, 0.9999),
        "subpixel_bottleneck": variant(40, 0.997, latent=261),
        "luma": {"psnr": 61, "ssim": 0.9999, "kind": "baseline"},
        "mean_rgb": {"psnr": 35, "ssim": 0.99, "kind": "baseline"},
        "conv1x1": {"psnr": 62, "ssim": 0.9999, "kind": "baseline"},
        "pca_261": {"psnr": 36, "ssim": 0.91, "kind": "baseline"},
    }
    probes = {
        "simple": probe(9, 0.125, 0.5, 26, 30, 29),
        "simple_mae": probe(9, 0.125, 0.5, 26, 31, 29),
        "vae": probe(5, 0.0625, 0.3, 28, 25, 24),
        "other_vae": probe(5, 0.0625, 0.3, 28, 25, 24),
        "subpixel": probe(0.1, 0.7071, 1, 24, 60, 61),
        "subpixel_bottleneck": probe(0.2, 0.3, 0.8, 27, 40, 39),
        "pca_32": probe(0.4, 0.1, 0.4, 27, 28, 27),
        "luma": probe(0, 0.7071, 1, 24, 61, 60),
        "mean_rgb": probe(20, 0.7071, 1, 24, 35, 36),
    }
    studies = {
        "seeds_simple_1": run("seeds", "simple", 30.0),
        "seeds_simple_2": run("seeds", "simple", 31.0),
        "seeds_simple_3": run("seeds", "simple", 30.5),
        "seeds_subpixel_1": run("seeds", "subpixel", 60),
        "photographs_simple_1": run("photographs", "simple", 27, photographs=1),
        "photographs_subpixel_1": run("photographs", "subpixel", 60, photographs=1),
        "photographs_bottleneck_1": run("photographs", "bottleneck", 24, 2, val_psnr=25, end_val_psnr=25),
        "control_simple": run("control", "simple", 30.5),
        "augmentation_bottleneck_1": run(
            "augmentation", "bottleneck", 22, 1, val_psnr=24, end_val_psnr=22, end_train_psnr=30
        ),
    }
    table = pd.DataFrame(list(methods.values()), index=list(methods)).astype({"latent": "Int64"})
    found = Evidence(table.assign(method=table.index), pd.DataFrame(probes).T, pd.DataFrame(studies).T.infer_objects())
    found.probes.loc["simple_mae", "everyday_psnr"] = 31.5  # 1.5 dB: more than two deviations of 0.5
    return found


def verdict(evidence: Evidence, number: int) -> Claim:
    return claims.decide(evidence)[number - 1]


def test_there_is_a_verdict_on_each_of_eight_claims_and_an_answer_to_two_questions(evidence: Evidence) -> None:
    found = claims.decide(evidence)
    assert [claim.claim[:2] for claim in found[:8]] == [f"{number}." for number in range(1, 9)]
    assert [claim.label for claim in found] == [HOLDS] * 8 + [ANSWER] * 2
    assert all(claim.rows for claim in found)


def change(table: str, row: str, **columns: float) -> Change:
    def made(evidence: Evidence) -> None:
        for column, value in columns.items():
            getattr(evidence, table).loc[row, column] = value

    return made


score, probes, study = (partial(change, table) for table in ("methods", "probes", "studies"))


# The claim, a change of numbers that turns it, and what its sentence must say then.
TURNS: list[tuple[int, Change, str]] = [
    (1, score("naive", chroma_of_output=1), "keeps 5% of the chroma"),
    (1, score("naive", chroma_of_output=10), "keeps 50% of the chroma"),  # at the edge
    (1, score("naive", psnr=31), "scores 31.0 dB against gray"),
    (1, score("naive", psnr=30), "scores 30.0 dB against gray"),  # at the edge
    (2, probes("subpixel", isoluma_contrast=3), "`subpixel` shows 3.00 levels"),
    (2, probes("subpixel", isoluma_contrast=1), "`subpixel` shows 1.00 levels"),  # at the edge
    (2, probes("subpixel", detail_limit=0.375), "keeps detail to 0.38."),
    (3, study("photographs_simple_1", psnr=29.04), "`simple` +1.0, `subpixel` +0.0. At 6"),  # no negative zero
    (3, study("photographs_simple_1", psnr=29), "do not help"),  # at the edge: 1 dB
    (3, study("seeds_subpixel_1", psnr=31), "architecture does not matter"),  # at the edge: 1 dB
    (4, score("subpixel_bottleneck", ssim=0.98), "40.0 dB / 0.980"),
    (4, score("mean_rgb", ssim=0.999), "G and B: 0.999"),
    (5, probes("vae", noise_25_psnr=26), "`vae` scores 26.0 dB"),  # one of two VAEs is enough
    (5, probes("vae", noise_25_psnr=27), "`vae` scores 27.0 dB"),  # at the edge
    (5, probes("vae", smoothness=0.9), "0.90 times"),
    (5, probes("vae", smoothness=0.4), "0.40 times"),  # at the edge
    (6, probes("simple_mae", everyday_psnr=30.1), "+0.10 dB on everyday"),
    (6, probes("simple_mae", everyday_psnr=31), "+1.00 dB on everyday"),  # at the edge
    (6, study("seeds_simple_2", psnr=33), "luck: 3.21"),
    (8, probes("subpixel", histology_psnr=35), "35.0 dB / 0.8000 on histology"),  # one of two domains is enough
    (8, probes("subpixel", histology_psnr=36), "36.0 dB / 0.8000 on histology"),  # at the edge
]


@pytest.mark.parametrize(("number", "change", "words"), TURNS)
def test_a_verdict_turns_when_its_number_does(evidence: Evidence, number: int, change: Change, words: str) -> None:
    assert words not in verdict(evidence, number).sentence
    change(evidence)
    assert verdict(evidence, number).label == FAILS
    assert words in verdict(evidence, number).sentence


HOLD: list[tuple[int, Change]] = [
    (2, probes("subpixel", detail_limit=0.5)),  # the finest detail along a row
    (4, score("subpixel_bottleneck", ssim=0.99)),  # as good as the crudest formula
    (7, study("augmentation_bottleneck_1", val_psnr=25)),  # the last epoch is still worse than the best
    (7, study("augmentation_bottleneck_1", end_val_psnr=24)),  # augmentation still gains
]


@pytest.mark.parametrize(("number", "change"), HOLD)
def test_a_verdict_stands_at_the_edge_that_belongs_to_it(evidence: Evidence, number: int, change: Change) -> None:
    change(evidence)
    assert verdict(evidence, number).label == HOLDS


def test_poor_designs_are_poor_by_leaking_or_by_blurring(evidence: Evidence) -> None:
    for name in evidence.gray().index:  # none leaks, and one blurs
        probes(str(name), isoluma_contrast=0.1)(evidence)
        probes(str(name), detail_limit=0.0625 if name == "vae" else 0.7071)(evidence)
    assert verdict(evidence, 2).label == HOLDS
    probes("vae", detail_limit=0.7071)(evidence)
    assert verdict(evidence, 2).label == FAILS
    probes("vae", isoluma_contrast=9)(evidence)  # none blurs, and one leaks
    assert verdict(evidence, 2).label == HOLDS


@pytest.mark.parametrize(("best", "label"), [(0.1, FAILS), (0.11, HOLDS)])
def test_overfitting_needs_care_from_a_tenth_of_a_decibel_on(evidence: Evidence, best: float, label: str) -> None:
    study("augmentation_bottleneck_1", val_psnr=best, end_val_psnr=0)(evidence)
    study("photographs_bottleneck_1", val_psnr=best)(evidence)
    assert verdict(evidence, 7).label == label


def test_the_need_for_an_autoencoder_turns_too(evidence: Evidence) -> None:
    assert verdict(evidence, 10).sentence.startswith("No: a fitted 1 × 1 convolution scores 62.0 dB")
    score("subpixel", psnr=62)(evidence)
    assert verdict(evidence, 10).sentence.startswith("No:")  # as good as what needs none
    score("subpixel", psnr=63)(evidence)
    assert verdict(evidence, 10).sentence.startswith("It does better")


def test_photographs_of_people_s_own_may_have_other_domains(evidence: Evidence) -> None:
    assert evidence.domains() == ["everyday", "histology"]  # whole photographs are none
    evidence.probes.columns = evidence.probes.columns.str.replace("everyday", "noise").str.replace("histology", "map")
    assert evidence.domains() == ["noise", "map"]
    assert "+1.50 dB on noise, +0.00 dB on map;" in verdict(evidence, 6).sentence
    assert "At noise of 25 gray levels" in verdict(evidence, 5).sentence
    assert (verdict(evidence, 8).label, verdict(evidence, 8).rows) == (OPEN, ())


def test_the_naive_control_needs_its_two_networks_as_they_are_meant(evidence: Evidence) -> None:
    for variant, column in {"simple": "input", "naive": "target"}.items():
        evidence.methods.loc[variant, column] = "gray"
        assert (verdict(evidence, 1).label, f"`{variant}`" in verdict(evidence, 1).sentence) == (OPEN, True)


def test_a_claim_without_its_rows_is_not_measured_and_says_which_is_missing(evidence: Evidence) -> None:
    evidence.methods.drop(index="naive", inplace=True)
    assert verdict(evidence, 1).label == OPEN
    assert "needs `naive`" in verdict(evidence, 1).sentence
    studies = pd.DataFrame(columns=["study", "variant", "psnr", "photographs"])
    nothing = Evidence(pd.DataFrame(), pd.DataFrame(), studies)
    assert {claim.label for claim in claims.decide(nothing)} == {OPEN}
