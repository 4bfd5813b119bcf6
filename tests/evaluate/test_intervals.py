"""Intervals cover what they promise, and know that patches of one photograph are alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stages.evaluate import intervals

RNG = np.random.default_rng(23)


def table(psnr: np.ndarray, photos: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"photo": photos, "psnr": psnr, "ssim": psnr / 100})


def clustered(photos: int, patches: int, between: float, within: float) -> pd.DataFrame:
    centres = RNG.normal(30, between, photos).repeat(patches)
    return table(centres + RNG.normal(0, within, len(centres)), np.arange(photos).astype(str).repeat(patches))


def test_an_interval_holds_the_mean_and_follows_the_scale() -> None:
    rows = clustered(5, 40, 2, 3)
    found = intervals.of_means(rows, 1000, 1)
    assert found["psnr"]["low"] < rows["psnr"].mean() < found["psnr"]["high"]
    assert found["ssim"] == pytest.approx({end: value / 100 for end, value in found["psnr"].items()})


def test_equal_scores_give_an_interval_without_width() -> None:
    rows = table(np.full(30, 33.3), np.array(["a", "b", "c"]).repeat(10))
    assert intervals.of_means(rows, 200, 1)["psnr"] == pytest.approx({"low": 33.3, "high": 33.3}, abs=1e-12)


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    hits = 0
    for _ in range(200):
        ends = intervals.of_means(clustered(30, 8, 2, 3), 400, 1)["psnr"]
        hits += ends["low"] <= 30 <= ends["high"]
    assert 0.88 <= hits / 200 <= 0.995


def test_photographs_that_differ_widen_the_interval() -> None:
    rows = clustered(8, 50, 4, 1)
    ends = intervals.of_means(rows, 2000, 1)["psnr"]
    single = intervals.of_means(rows.assign(photo="all"), 2000, 1)["psnr"]
    assert ends["high"] - ends["low"] > 3 * (single["high"] - single["low"])


def test_within_a_single_photograph_it_is_the_plain_bootstrap_of_its_patches() -> None:
    values = RNG.normal(30, 2, 400)
    ends = intervals.of_means(table(values, np.array(["only"] * 400)), 20_000, 1)["psnr"]
    error = 1.96 * values.std() / np.sqrt(400)
    assert ends == pytest.approx({"low": values.mean() - error, "high": values.mean() + error}, abs=0.02)


def test_the_spread_is_that_of_both_levels() -> None:
    photos, patches = 40, 10
    rows = clustered(photos, patches, 2, 3)
    means = intervals.bootstrap_means(rows["photo"].to_numpy(), rows[["psnr"]].to_numpy(), 20_000, 1)
    groups = rows.groupby("photo")["psnr"]
    expected = groups.mean().var(ddof=0) / photos + groups.var(ddof=0).mean() / (photos * patches)
    assert means.shape == (20_000, 1)
    assert means.var() == pytest.approx(expected, rel=0.05)  # independent draws at both levels: variances add
    assert means.mean() == pytest.approx(rows["psnr"].mean(), abs=0.02)


def test_photographs_weigh_by_their_patches() -> None:
    photos = np.array(["a"] * 30 + ["b"] * 10)
    values = np.where(photos == "a", 1.0, 5.0)[:, None]
    means = intervals.bootstrap_means(photos, values, 5000, 1)
    assert set(means[:, 0].tolist()) == {1.0, 2.0, 5.0}  # a twice; both: (30 · 1 + 10 · 5) / 40; b twice
    assert np.mean(means == 2.0) == pytest.approx(0.5, abs=0.03)


def test_the_same_seed_gives_the_same_interval_whatever_came_before() -> None:
    rows = clustered(4, 20, 2, 3)
    first = intervals.of_means(rows, 300, 1)
    intervals.of_means(clustered(3, 5, 1, 1), 100, 9)
    np.random.default_rng().random(3)
    assert intervals.of_means(rows, 300, 1) == first
    assert intervals.of_means(rows, 300, 2) != first
