"""Conversions agree with independent implementations."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.targets.conversions import bt601

LEVEL = st.integers(0, 255)
CORNERS = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)[None]
RANDOM = np.random.default_rng(3).integers(0, 256, (100, 100, 3)).astype(np.uint8)


def test_bt601_agrees_with_pillow_to_one_level_and_almost_always_exactly() -> None:
    for photograph in (CORNERS, RANDOM):
        peer = np.asarray(Image.fromarray(photograph).convert("L"))
        difference = np.abs(bt601(photograph).astype(int) - peer)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.005


@given(LEVEL, LEVEL, LEVEL)
def test_bt601_is_exactly_rounded(red: int, green: int, blue: int) -> None:
    exact = Fraction(299 * red + 587 * green + 114 * blue, 1000)
    rounded = int(exact + Fraction(1, 2))
    assert bt601(np.array([[[red, green, blue]]], np.uint8)) == rounded


@given(LEVEL)
def test_gray_stays_as_it_is(level: int) -> None:
    assert bt601(np.full((2, 2, 3), level, np.uint8)).tolist() == [[level] * 2] * 2
