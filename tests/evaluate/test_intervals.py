"""Intervals cover what they promise, and know that patches of one photograph are alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stages.evaluate import intervals

RNG = np.random.default_rng(23)


def of_means(rows: pd.DataFrame, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    return intervals.of_means({"m": rows}, resamples, seed)["m"]


def clustered(photos: int, patches: int, between: float, within: float) -> pd.DataFrame:
    psnr = RNG.normal(30, between, photos).repeat(patches) + RNG.normal(0, within, photos * patches)
    return pd.DataFrame({"photo": np.arange(photos).astype(str).repeat(patches), "psnr": psnr, "ssim": psnr / 100})


def test_an_interval_lies_between_the_percentiles_of_the_resampled_means() -> None:
    rows = clustered(5, 40, 2, 3)
    means = intervals.bootstrap_means(rows["photo"].to_numpy(), rows[["psnr", "ssim"]].to_numpy(), 1000, 1)
    found = of_means(rows, 1000, 1)
    for number, name in enumerate(("psnr", "ssim")):
        ends = np.sort(means[:, number])[[24, 25, 974, 975]]  # 2.5 and 97.5 % of 1,000
        assert ends[0] <= found[name]["low"] <= ends[1]
        assert ends[2] <= found[name]["high"] <= ends[3]


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


def test_methods_are_resampled_alike_and_by_the_seed() -> None:
    rows = clustered(4, 20, 2, 3)
    assert of_means(rows, 300, 2) != of_means(rows, 300, 1)
    shifted = rows.assign(psnr=rows["psnr"] + 1)
    found = intervals.of_means({"one": rows, "other": shifted}, 300, 1)
    assert found["one"] == of_means(rows, 300, 1)
    for end in ("low", "high"):
        assert found["other"]["psnr"][end] == pytest.approx(found["one"]["psnr"][end] + 1)
        assert found["other"]["ssim"] == found["one"]["ssim"]


def by_photograph(photos: np.ndarray, values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The same bootstrap, photograph by photograph instead of all at once."""
    generator = np.random.default_rng(seed)
    names = np.unique(photos)
    drawn = generator.integers(len(names), size=(resamples, len(names)))
    sums, patches = np.zeros((*drawn.shape, values.shape[1])), np.zeros(drawn.shape)
    for number, name in enumerate(names):
        mine, places = values[photos == name], drawn == number
        picks = generator.integers(len(mine), size=(np.count_nonzero(places), len(mine)))
        sums[places], patches[places] = mine[picks].sum(axis=1), len(mine)
    return sums.sum(axis=1) / patches.sum(axis=1)[:, None]


@pytest.mark.parametrize("at_once", [1, 50, 1 << 20])
def test_how_many_patches_are_drawn_at_once_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "PATCHES_AT_ONCE", at_once)
    photos = RNG.permutation(np.array(["c"] * 7 + ["a"] * 20 + ["b"]))
    values = RNG.normal(30, 2, (28, 2))
    assert intervals.bootstrap_means(photos, values, 40, 3) == pytest.approx(by_photograph(photos, values, 40, 3))


def test_resamples_in_many_blocks_spread_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clustered(10, 5, 2, 3)
    whole = intervals.bootstrap_means(rows["photo"].to_numpy(), rows[["psnr"]].to_numpy(), 4000, 1)
    monkeypatch.setattr(intervals, "PHOTOGRAPHS_AT_ONCE", 70)
    blocks = intervals.bootstrap_means(rows["photo"].to_numpy(), rows[["psnr"]].to_numpy(), 4000, 1)
    assert len(np.unique(blocks)) > 3900  # each block has draws of its own
    assert (blocks.mean(), blocks.std()) == (pytest.approx(whole.mean(), abs=0.1), pytest.approx(whole.std(), rel=0.1))
