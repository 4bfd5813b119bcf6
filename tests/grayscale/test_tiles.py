"""Tiles join to a photograph of any size without seams."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from grayscale import tiles

PATCH = 28
Convert = Callable[[np.ndarray], np.ndarray]


def cropped(convert: Convert, photograph: np.ndarray, side: int, margin: int, threads: int = 1) -> np.ndarray:
    """A whole photograph by `tiles.cropped`."""
    height, width = photograph.shape[:2]
    stripes = tiles.cropped(
        convert, lambda top, bottom: photograph[top:bottom], height, width, side, margin, threads=threads
    )
    return np.concatenate([rows for _, rows in stripes])


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(11).random((height, width, 3))


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([None, 0, 2, 5]), st.sampled_from([12, 28]))
@settings(max_examples=60)
def test_the_identity_returns_the_photograph(height: int, width: int, margin: int | None, side: int) -> None:
    photograph = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    for part in (np.s_[...], np.s_[..., 1]):
        convert = partial(lambda part, colour: colour[part], part)
        if margin is None:
            np.testing.assert_allclose(tiles.whole(convert, photograph, side), photograph[part] / 255, atol=1e-12)
        else:
            np.testing.assert_array_equal(cropped(convert, photograph, side, margin), photograph[part])


@pytest.mark.parametrize(("stripes", "most"), [(tiles.blended, PATCH), (partial(tiles.cropped, margin=4), PATCH + 8)])
def test_stripes_come_from_top_to_bottom_and_read_a_row_of_tiles_at_a_time(
    stripes: Callable[..., Any], most: int
) -> None:
    photograph = photo(333, 50)
    read = Mock(side_effect=lambda top, bottom: photograph[top:bottom])
    parts = list(stripes(lambda colour: colour[..., 0], read, 333, 50, PATCH))
    assert max(bottom - top for (top, bottom), _ in read.call_args_list) == most
    assert max(len(rows) for _, rows in parts) <= PATCH
    assert [top for top, _ in parts] == [0, *np.cumsum([len(rows) for _, rows in parts])[:-1]]


def test_the_photograph_is_mirrored_at_its_edges() -> None:
    convert = Mock(side_effect=lambda colour: colour)
    row = np.arange(3, dtype=np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    cropped(convert, row, 8, 2)
    first = convert.call_args_list[0].args[0]
    assert first[0, 0, :, 0].tolist() == [1, 0, 0, 1, 2, 2, 1]


@pytest.mark.parametrize("side", [12, 24, 60])
def test_tiles_are_parts_of_the_photograph_in_one_piece(side: int) -> None:
    margin, cell, pixels = 40, 4, np.random.default_rng(side).integers(0, 9, (70, 110, 3))
    pieces = []

    def means(tile: np.ndarray) -> np.ndarray:  # of all pixels in the margin, and zeros beyond the edges
        pieces.append(tile.shape[1:3])
        return scipy.ndimage.uniform_filter(tile[..., 0] * 81.0**2, (1, 81, 81), mode="constant").round()

    def stripes(side: int) -> np.ndarray:
        found = tiles.cropped(means, lambda top, bottom: pixels[top:bottom], 70, 110, side, margin, cell)
        return np.concatenate([rows for _, rows in found])

    whole = stripes(120)
    assert pieces == [(72 + 2 * tiles.BORDER, 112 + 2 * tiles.BORDER)]
    np.testing.assert_array_equal(stripes(side), whole)
    assert {size % cell for piece in pieces for size in piece} == {0}


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_convert_at_the_same_time_and_an_error_ends_all(threads: int) -> None:
    meeting, photograph = threading.Barrier(threads, timeout=30), photo(30, 12 * 512)

    def convert(pixels: np.ndarray) -> np.ndarray:
        meeting.wait()  # returns when all threads wait
        return pixels[..., 0]

    np.testing.assert_array_equal(cropped(convert, photograph, 512, 0, threads), photograph[..., 0])

    def fail(pixels: np.ndarray) -> np.ndarray:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        cropped(fail, photograph, 512, 0, threads)


def test_blended_patches_have_no_seams() -> None:
    """Their weights are at most as steep as sin²(π x / side), so neighbours differ by at most π / side."""
    rng = np.random.default_rng(11)
    gray = tiles.whole(
        lambda colour: np.zeros(colour.shape[:3]) + rng.random((len(colour), 1, 1)), photo(90, 100), PATCH
    )
    assert np.ptp(gray) > 0.5
    for axis in (0, 1):
        assert np.abs(np.diff(gray, axis=axis)).max() < np.pi / PATCH
