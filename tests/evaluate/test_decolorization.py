"""CCPR, CCFR and E-score are those of Lu, Xu and Jia 2014, counted again pair by pair; and tell conversions apart."""

from __future__ import annotations

import colour
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_cie76, rgb2lab

from grayscale.conversions import bt601
from stages.evaluate import decolorization, leakage
from stages.evaluate.decolorization import MEASURES, contrast, pairs_of
from stages.fetch.sources import bundled

Colour = tuple[int, int, int]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)  # a distance of 100
RED_OR_BLUE = [(255, 0, 0), (0, 0, 255)]


def neighbours(photograph: list[list[Colour]], gray: list[list[float]]) -> tuple[float, float, float]:
    """CCPR, CCFR and E over the neighbours of a small image."""
    found = contrast(pairs_of(np.array(photograph, np.uint8), seed=1), np.array(gray))
    return found["ccpr_neighbours"], found["ccfr_neighbours"], found["e_neighbours"]


def approximately(*values: float) -> object:
    return pytest.approx(values, abs=1e-12)


def test_contrast_is_kept_up_to_and_with_the_threshold_that_it_meets() -> None:
    assert neighbours([[BLACK, WHITE, BLACK]], [[0, 0.08, 0]]) == approximately(8 / 15, 1, 8 / 15)


def test_contrast_is_made_up_below_the_threshold_that_it_meets() -> None:
    wrong = 7 / 15  # γ = 8 is above τ = 1 … 7; above τ = 8 … 15 there is no pair, which counts as 1
    assert neighbours([[BLACK, BLACK, BLACK]], [[0, 0.08, 0]]) == approximately(1, 1 - wrong, 1 - wrong)


def test_colours_that_differ_by_a_threshold_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = np.array([[40.0, 3.0, 1.0], [40.0, 3.0, 9.0]])  # no two 8-bit colours are a whole number apart
    monkeypatch.setattr(decolorization, "_lab", lambda photograph: (lab, np.array([[0, 1]])))
    ccpr, _, _ = neighbours([[BLACK, WHITE]], [[0.5, 0.5]])
    _, ccfr, _ = neighbours([[BLACK, WHITE]], [[0.2, 0.8]])
    assert ccpr == pytest.approx(7 / 15)  # lost for τ = 1 … 8
    assert ccfr == pytest.approx(7 / 15)  # made up for τ = 8 … 15


def test_a_fall_counts_as_a_rise_does() -> None:
    for gray in ([[0.5, 0.1]], [[0.1, 0.5]]):
        assert neighbours([[BLACK, WHITE]], gray) == approximately(1, 1, 1)


def test_the_end_of_a_row_is_no_neighbour_of_the_next() -> None:
    photograph = [[BLACK, WHITE], [BLACK, WHITE]]  # the right neighbours differ, the lower ones don't
    assert neighbours(photograph, [[0, 0.5], [0.5, 1]]) == approximately(1, 0.5, 2 / 3)


def test_a_single_pixel_has_no_pair_and_loses_nothing() -> None:
    assert contrast(pairs_of(np.zeros((1, 1, 3), np.uint8), seed=1), np.zeros((1, 1))) == dict.fromkeys(MEASURES, 1.0)


def shares(pairs: list[tuple[float, int]]) -> tuple[float, float, float]:
    """CCPR, CCFR and E of (δ, 1000 γ / 100), as the paper writes them."""
    ccpr, ccfr, e = [], [], []
    for tau in range(1, 16):
        seen = [gamma for delta, gamma in pairs if delta >= tau]
        drawn = [delta for delta, gamma in pairs if gamma > 10 * tau]
        ccpr.append(sum(gamma >= 10 * tau for gamma in seen) / len(seen) if seen else 1)
        ccfr.append(1 - sum(delta <= tau for delta in drawn) / len(drawn) if drawn else 1)
        e.append(2 * ccpr[-1] * ccfr[-1] / (ccpr[-1] + ccfr[-1]) if ccpr[-1] + ccfr[-1] else 0)
    return sum(ccpr) / 15, sum(ccfr) / 15, sum(e) / 15


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of a few close colours, and gray in whole thousandths, so that many pairs meet a threshold."""
    height, width, seed = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(0, 9999))
    generator = np.random.default_rng(seed)
    spread = draw(st.sampled_from([1, 6, 40, 255]))
    photograph = generator.integers(0, spread + 1, (height, width, 3)).astype(np.uint8) + (255 - spread) // 2
    step = draw(st.sampled_from([1, 10]))
    return photograph.astype(np.uint8), generator.integers(0, 300 // step, (height, width)) * step


@given(images())
def test_counting_pair_by_pair_finds_the_same(image: tuple[np.ndarray, np.ndarray]) -> None:
    photograph, thousandths = image
    height, width = thousandths.shape
    pairs = pairs_of(photograph, seed=3)
    lab = rgb2lab(photograph)
    places = [(row, column) for row in range(height) for column in range(width)]
    beside = [((row, column), (row, column + 1)) for row, column in places if column + 1 < width]
    below = [((row, column), (row + 1, column)) for row, column in places if row + 1 < height]
    anywhere = [(places[one], places[other]) for one, other in zip(pairs.first, pairs.second, strict=True)]

    def measured(chosen: list[tuple[tuple[int, int], tuple[int, int]]]) -> tuple[float, float, float]:
        difference = [abs(int(thousandths[one]) - int(thousandths[other])) for one, other in chosen]
        distance = [float(deltaE_cie76(lab[one], lab[other])) for one, other in chosen]
        return shares(list(zip(distance, difference, strict=True)))

    found = contrast(pairs, thousandths / 1000)
    assert list(found.values()) == pytest.approx([*measured(beside + below), *measured(anywhere)], abs=1e-12)
    assert list(found) == list(MEASURES)
    assert all(0 <= value <= 1 for value in found.values())


@given(images())
def test_neither_direction_nor_sign_matters(image: tuple[np.ndarray, np.ndarray]) -> None:
    photograph, gray = image[0], image[1] / 1000
    found = contrast(pairs_of(photograph, seed=1), gray)
    assert contrast(pairs_of(photograph, seed=1), 1 - gray) == found  # light and dark swapped
    for turned in (lambda array: array[::-1], lambda array: array[:, ::-1], lambda array: array.swapaxes(0, 1)):
        again = contrast(pairs_of(turned(photograph), seed=1), turned(gray))
        assert {name: again[name] for name in MEASURES[:3]} == {name: found[name] for name in MEASURES[:3]}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


def test_lightness_is_lossless_for_a_gray_photograph_and_luma_is_not() -> None:
    levels = gaussian_filter(noise(40, 40).astype(float), 1)  # neighbours a few levels apart
    photograph = np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2)
    pairs = pairs_of(photograph, seed=1)
    assert contrast(pairs, rgb2lab(photograph)[..., 0] / 100) == pytest.approx(dict.fromkeys(MEASURES, 1.0), abs=1e-3)
    assert min(contrast(pairs, photograph[..., 0] / 510).values()) < 0.7  # half the range


def test_lab_is_that_of_colour_science() -> None:
    photograph = noise(40, 40, 3)
    table, rows = decolorization._lab(photograph)
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    peer = colour.XYZ_to_Lab(colour.sRGB_to_XYZ(photograph / 255), white)
    assert table[rows] == pytest.approx(peer, abs=0.05)  # the constants of sRGB are rounded differently
    assert np.abs(peer).max() > 90


def test_random_pairs_are_two_pixels_each_from_all_over_and_follow_the_seed() -> None:
    photograph = noise(7, 11, 3)
    pairs = pairs_of(photograph, seed=1)
    assert len(pairs.random) == len(pairs.first) == len(pairs.second) == 2 * 77
    assert (pairs.first != pairs.second).all()
    assert (pairs.first == pairs_of(photograph, seed=1).first).all()
    assert (pairs.first != pairs_of(photograph, seed=2).first).any()
    many = pairs_of(noise(100, 30, 3), seed=1)
    for chosen in (many.first, many.second):
        assert chosen.mean() == pytest.approx(1500, rel=0.05)
        assert 2990 < chosen.max() < 3000
    two = pairs_of(noise(1, 2, 3), seed=1)
    assert (two.first + two.second == 1).all()


def test_there_are_no_more_random_pairs_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decolorization, "RANDOM_AT_MOST", 50)
    assert len(pairs_of(noise(7, 11, 3), seed=1).random) == 50


def test_stripes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph, gray = noise(23, 17, 3), noise(23, 17) / 255
    whole = contrast(pairs_of(photograph, seed=1), gray)
    monkeypatch.setattr(decolorization, "STRIPE", 40)
    assert contrast(pairs_of(photograph, seed=1), gray) == whole


@pytest.mark.parametrize(
    ("gray", "message"),
    [(np.zeros((3, 2)), r"is \(3, 2\), its photograph \(2, 3\)"), (np.full((2, 3), 200.0), r"in \[200.0, 200.0\]")],
)
def test_what_is_no_gray_image_of_the_photograph_is_refused(gray: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contrast(pairs_of(noise(2, 3, 3), seed=1), gray)


def thinned(name: str) -> np.ndarray:
    """A bundled photograph, every second pixel of every second row, to be quick."""
    return np.ascontiguousarray(bundled.read(name, "scikit-image")[::2, ::2])


def decolored(photograph: np.ndarray) -> np.ndarray:
    """Contrast-preserving decolorization (Lu, Xu and Jia 2012), as OpenCV has it."""
    return cv2.decolor(np.ascontiguousarray(photograph[..., ::-1]))[0] / 255


def test_decolorization_keeps_what_luma_loses_where_colours_are_equally_light() -> None:
    hues = np.rint(255 * leakage.isoluma_patches(64)[-1]).astype(np.uint8)
    pairs = pairs_of(hues, seed=1)
    luma, decolor = contrast(pairs, bt601(hues) / 255), contrast(pairs, decolored(hues))
    assert luma["e_neighbours"] == luma["e_random"] == 0
    assert decolor["e_neighbours"] > 0.7
    assert decolor["e_random"] > 0.9
