"""Chroma in the error and hue in the gray are measured, and nothing else is."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.color import rgb2ycbcr

from stages.evaluate import baselines, leakage

RNG = np.random.default_rng(13)
COLOUR = RNG.random((12, 16, 16, 3))
ONE = np.array(["a"] * len(COLOUR))


def of_residuals(photos: np.ndarray, colour: np.ndarray, residuals: np.ndarray) -> dict[str, Any]:
    triangles = leakage.triangles(photos, colour, residuals)
    return leakage.of_triangles(dict(zip(pd.unique(photos), triangles, strict=True)), slice(None))


def r2(residual: np.ndarray, colour: np.ndarray) -> float:
    return float(of_residuals(ONE, colour, residual[None])["chroma_r2"])


def by_least_squares(colour: np.ndarray, residual: np.ndarray) -> tuple[float, float]:
    """R² and explained levels by numpy's own solver and scikit-image's own Cb and Cr."""
    _, cb, cr = (rgb2ycbcr(colour)[..., channel].ravel() for channel in range(3))
    design = np.stack([np.ones_like(cb), cb, cr, cb**2, cr**2, cb * cr], axis=1)
    design /= design.max(axis=0)
    wanted = residual.ravel()
    fitted = design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
    return 1 - np.square(wanted - fitted).sum() / np.square(wanted - wanted.mean()).sum(), 255 * float(fitted.std())


def test_r2_and_levels_are_those_of_ordinary_least_squares() -> None:
    cb, cr = leakage.cb_cr(COLOUR)
    residual = 0.02 * cb - 0.03 * cr * cr + RNG.normal(0.01, 0.01, cb.shape)
    found = of_residuals(ONE, COLOUR, residual[None])
    share, levels = by_least_squares(COLOUR, residual)
    assert 0.05 < share < 0.95
    assert found["chroma_r2"] == pytest.approx(share, rel=1e-4)
    assert found["chroma_levels"] == pytest.approx(levels, rel=1e-4)


def test_no_error_and_a_constant_error_leak_nothing() -> None:
    nothing = {"chroma_r2": 0.0, "chroma_r2_per_photo": {"a": 0.0}, "chroma_levels": 0.0}
    cb = leakage.cb_cr(COLOUR)[0]
    for residual in (np.zeros_like(cb), 1e-10 * cb, np.full_like(cb, 0.1)):
        assert of_residuals(ONE, COLOUR, residual[None]) == nothing


def test_gray_photographs_and_photographs_of_a_single_hue_have_a_finite_r2() -> None:
    gray = np.repeat(RNG.random((12, 16, 16, 1)), 3, axis=3)
    noise = RNG.normal(0, 0.1, gray.shape[:3])
    assert r2(noise, gray) == 0
    assert r2(noise, gray + RNG.uniform(-1e-12, 1e-12, gray.shape)) == 0
    tinted = RNG.random((12, 16, 16, 1)) * np.array([1.0, 0.6, 0.3])  # Cb and Cr are proportional
    cb, _ = leakage.cb_cr(tinted)
    assert r2(cb - 2 * cb**2, tinted) == pytest.approx(1)


def test_photographs_have_equal_weight_whatever_their_number_of_patches() -> None:
    photos = np.array(["b"] * 9 + ["a"] * 3)
    cb, _ = leakage.cb_cr(COLOUR)
    residual = np.where((photos == "b")[:, None, None], 0.1 * cb, 0)
    found = of_residuals(photos, COLOUR, residual[None])
    assert found["chroma_r2_per_photo"] == {"a": 0, "b": pytest.approx(1)}
    assert found["chroma_r2"] == pytest.approx(0.5)
    assert found["chroma_levels"] == pytest.approx(255 * 0.1 * cb[:9].std() / 2)


def test_channels_of_a_colour_output_are_averaged() -> None:
    _, cr = leakage.cb_cr(COLOUR)
    assert of_residuals(ONE, COLOUR, np.stack([0 * cr, 1e-7 * cr]))["chroma_r2"] == pytest.approx(0.5)


def test_hue_contrast_is_zero_for_luma_and_known_for_other_formulas() -> None:
    chroma = np.mean([0.3, 0.5, 0.3]) / 1.772  # the radius in the plane of Cb and Cr; the deviation is radius / √2
    in_green, in_mean = np.hypot(0.344136, 0.714136), np.hypot(1.772 - 0.344136, 1.402 - 0.714136) / 3
    flat = leakage.hues(12)
    assert (flat == flat[:, :, :1, :1]).all()
    assert (flat.min(), flat.max()) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert leakage.hue_contrast(baselines.luma, 12) == 0
    assert leakage.hue_contrast(baselines.green, 12) == pytest.approx(255 * chroma * in_green / np.sqrt(2))
    assert leakage.hue_contrast(baselines.mean_rgb, 12) == pytest.approx(255 * chroma * in_mean / np.sqrt(2))


def test_hue_contrast_ignores_patterns_and_averages_channels() -> None:
    grid = np.indices((12, 12)).sum(axis=0) % 2 / 4
    assert leakage.hue_contrast(lambda colour: baselines.luma(colour) + grid - 0.2, 12) == pytest.approx(0, abs=1e-12)
    assert leakage.hue_contrast(lambda colour: 1 + colour[..., 0], 12) == 0  # clipped to white
    red_only = leakage.hue_contrast(lambda colour: colour * [1, 0, 0], 12)
    assert red_only == pytest.approx(leakage.hue_contrast(lambda colour: colour[..., 0], 12) / 3)
