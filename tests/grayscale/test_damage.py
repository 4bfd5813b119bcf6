"""Damage is estimated within bounds, on photographs and on parts of them."""

from typing import Any

import numpy as np
import pytest

from grayscale import damage
from tests import samples
from tests.grayscale.conftest import compressed, with_noise

PHOTOGRAPHS = [samples.leaves(seed, 224, 280) for seed in range(3)]
OWN = 2.0  # their own noise, gray levels


@pytest.mark.parametrize("sigma", [0, 5, 10, 25, 50])
def test_noise_is_estimated_within_a_tenth_and_half_a_level(sigma: float) -> None:
    for number, photograph in enumerate(PHOTOGRAPHS):
        gray, chroma, compression = damage.estimate(with_noise(photograph, sigma, seed=number))
        true = np.hypot(sigma, OWN)
        assert gray == pytest.approx(true / np.sqrt(3), rel=0.1, abs=0.5)
        assert chroma == pytest.approx(true * np.linalg.norm(np.array([0.299, 0.587, 0.114]) - 1 / 3), rel=0.1, abs=0.5)
        assert compression < 0.25 + 0.075 * true


def test_noise_shared_by_the_channels_is_in_gray_alone() -> None:
    gray, chroma, _ = damage.estimate(with_noise(PHOTOGRAPHS[0], 20, shared=1.0))
    assert gray == pytest.approx(20, rel=0.1)
    assert chroma == pytest.approx(damage.estimate(PHOTOGRAPHS[0])[1], abs=0.5)


@pytest.mark.parametrize("sigma", [0, 2, 5, 10])
def test_texture_is_not_taken_for_noise(sigma: float) -> None:
    rng = np.random.default_rng(1)
    fine, coarse = (rng.normal(0, 8 * side, (240 // side, 320 // side)) for side in (1, 2))
    grass = (fine + coarse.repeat(2, 0).repeat(2, 1))[..., None] * [0.4, 0.5, 0.3] + [90, 120, 60]
    gray, chroma, _ = damage.estimate(with_noise(grass, sigma))
    assert gray == pytest.approx(sigma / np.sqrt(3), rel=0.15, abs=0.8)
    assert chroma == pytest.approx(0.337 * sigma, rel=0.5, abs=0.5)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 5), (7, 1)])
@pytest.mark.parametrize(("quality", "ratio"), [(10, 5), (20, 2.5), (50, 1), (75, 0.5)])
def test_jpeg_is_measured_by_its_quantization_table_wherever_blocks_start(
    quality: int, ratio: float, row: int, column: int
) -> None:
    smooth, texture = PHOTOGRAPHS[0], with_noise(PHOTOGRAPHS[1], 8)
    for photograph in (smooth, texture):
        gray, _, compression = damage.estimate(compressed(photograph, quality)[row:, column:])
        assert compression == pytest.approx(damage.OF_QUANTIZATION * ratio**0.625, rel=0.1)
        assert gray >= compression


@pytest.mark.parametrize("change", [lambda photograph: photograph // 2 + 60, lambda photograph: photograph[:48, :48]])
def test_jpeg_is_measured_by_block_borders_if_the_table_is_not_found(change: Any) -> None:
    for photograph in PHOTOGRAPHS:
        levels = [damage.estimate(change(compressed(photograph, quality)))[2] for quality in (10, 20, 40)]
        assert levels[0] > levels[1] > levels[2] > damage.estimate(change(photograph))[2]


def test_a_few_pieces_give_the_same_levels_as_the_photograph() -> None:
    noisy = with_noise(PHOTOGRAPHS[1], 20)
    pieces = noisy.reshape(8, 28, 10, 28, 3).swapaxes(1, 2).reshape(-1, 28, 28, 3)
    whole, few = damage.estimate(noisy), damage.estimate(pieces[::10])
    assert few[:2] == pytest.approx(whole[:2], rel=0.15)
    assert np.array_equal(damage.estimate(noisy[None]), whole)


@pytest.mark.parametrize(("sigma", "quality"), [(0, 0), (20, 0), (0, 10)])
def test_stripes_of_a_large_photograph_give_the_same_levels(sigma: float, quality: int) -> None:
    large = np.pad(PHOTOGRAPHS[1], ((0, 1600), (0, 1100), (0, 0)), "symmetric")  # 2.5 megapixels, without steps
    large = with_noise(large, sigma)
    large = compressed(large, quality) if quality else large
    heights = []

    def read(top: int, bottom: int) -> np.ndarray:
        heights.append(bottom - top)
        return large[top:bottom]

    found = damage.estimate_read(read, *large.shape[:2])
    assert sum(heights) * large.shape[1] <= damage.PIXELS
    assert found == pytest.approx(damage.estimate(large), rel=0.1, abs=0.3)
    fractions = (large / 255).astype(np.float32)
    assert np.array_equal(damage.estimate_read(lambda top, bottom: fractions[top:bottom], *large.shape[:2]), found)


@pytest.mark.parametrize("height", [30, 224])
def test_a_small_photograph_is_read_whole(height: int) -> None:
    small = PHOTOGRAPHS[0][:height]
    found = damage.estimate_read(lambda top, bottom: small[top:bottom], *small.shape[:2])
    assert np.array_equal(found, damage.estimate(small))


def test_clipped_areas_are_left_out() -> None:
    photograph = PHOTOGRAPHS[0].copy()
    photograph[:112] = 0
    assert damage.estimate(with_noise(photograph, 20))[0] == pytest.approx(20 / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (9, 9, 3), (11, 40, 3), (12, 12, 3)])
def test_levels_of_a_tiny_photograph_are_finite(shape: tuple[int, ...]) -> None:
    levels = damage.estimate(np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    assert levels.shape == (3,)
    assert np.isfinite(levels).all()
    assert (levels >= 0).all()


def test_planes_of_damage_follow_colour() -> None:
    colour = np.random.default_rng(1).random((2, 4, 6, 3), np.float32)
    levels = np.array([[25.0, 10.0, 2.5], [0.3, 0.2, 0.1]])
    found = damage.beside(colour, levels)
    assert (found.shape, found.dtype) == ((2, 4, 6, 8), np.float32)
    assert np.array_equal(found[..., :3], colour)
    assert found[0, 3, 5, 3:] == pytest.approx([1, 0.4, 0.1, 0.04, 0.1])
    assert found[1, 0, 0, 3:] == pytest.approx([0, 0, 0.004, 2, 2])
    assert np.array_equal(damage.beside(colour[0], levels[0]), found[0])
