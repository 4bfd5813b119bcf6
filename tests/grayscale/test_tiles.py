"""Tiles join to a whole photograph of any size, without seams."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

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
    """Soft coloured clouds, alike everywhere, `(height, width, 3)` in [0, 1]."""
    noise = np.random.default_rng(11).standard_normal((height, width, 3))
    clouds = gaussian_filter(noise, (6, 6, 0), mode="reflect")
    return (0.5 + 0.15 * clouds / clouds.std()).clip(0, 1)


def seam_score(error: np.ndarray, step: int) -> float:
    """Kinks of an error image `(height, width)` where tiles begin, every `step` pixels, against those 4 pixels beside.

    A kink is the mean absolute second difference across a row or column.
    """
    scores = []
    for axis in (0, 1):
        kinks = np.abs(np.diff(error, n=2, axis=axis)).mean(axis=1 - axis)
        borders = np.arange(step, len(kinks) - 4, step) - 1  # kinks[k] is at pixel k + 1
        scores.append(kinks[borders].mean() / kinks[[borders - 4, borders + 4]].mean())
    return max(scores)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([None, 0, 2, 5]), st.sampled_from([12, 28]))
@settings(max_examples=60)
def test_a_method_that_changes_nothing_gives_the_photograph_back(
    height: int, width: int, margin: int | None, side: int
) -> None:
    photograph = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    for part in (np.s_[...], np.s_[..., 1]):
        convert = partial(lambda part, colour: colour[part], part)
        if margin is None:
            np.testing.assert_allclose(tiles.whole(convert, photograph, side), photograph[part] / 255, atol=1e-12)
        else:
            np.testing.assert_array_equal(cropped(convert, photograph, side, margin), photograph[part])


@pytest.mark.parametrize("stripes", [tiles.blended, partial(tiles.cropped, margin=4)])
def test_stripes_come_from_top_to_bottom_and_read_a_row_of_tiles_at_a_time(stripes: Callable[..., Any]) -> None:
    photograph = photo(333, 50)
    read = Mock(side_effect=lambda top, bottom: photograph[top:bottom])
    parts = list(stripes(lambda colour: colour[..., 0], read, 333, 50, PATCH))
    assert max(bottom - top for (top, bottom), _ in read.call_args_list) == PATCH
    assert max(len(rows) for _, rows in parts) <= PATCH
    assert [top for top, _ in parts] == [0, *np.cumsum([len(rows) for _, rows in parts])[:-1]]


def test_beyond_its_edges_the_photograph_is_mirrored() -> None:
    convert = Mock(side_effect=lambda colour: colour)
    row = np.arange(3, dtype=np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    cropped(convert, row, 8, 2)
    first = convert.call_args_list[0].args[0]
    assert first[0, 0, :, 0].tolist() == [1, 0, 0, 1, 2, 2, 1, 0]


@pytest.mark.parametrize("threads", [1, 3])
def test_so_many_threads_convert_at_the_same_time_and_an_error_ends_all(threads: int) -> None:
    meeting, photograph = threading.Barrier(threads, timeout=30), photo(30, 12 * 512)

    def convert(pixels: np.ndarray) -> np.ndarray:
        meeting.wait()  # returns when all threads are here
        return pixels[..., 0]

    np.testing.assert_array_equal(cropped(convert, photograph, 512, 0, threads), photograph[..., 0])

    def fail(pixels: np.ndarray) -> np.ndarray:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        cropped(fail, photograph, 512, 0, threads)


def mean_of_patch(colour: np.ndarray) -> np.ndarray:
    """The extreme of a method that is bound to its patch."""
    gray = colour.mean(axis=-1)
    return np.broadcast_to(gray.mean(axis=(1, 2), keepdims=True), gray.shape)


def test_blended_patches_show_no_seams_where_patches_side_by_side_do() -> None:
    photograph = photo(280, 308)
    gray = photograph.mean(axis=-1)
    blended = tiles.whole(mean_of_patch, photograph, PATCH) - gray
    side_by_side = cropped(mean_of_patch, photograph, PATCH, 0) - gray
    assert seam_score(side_by_side, PATCH) > 5
    assert seam_score(blended, PATCH // 2) < 1.2
