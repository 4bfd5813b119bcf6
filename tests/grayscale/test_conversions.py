"""Conversions agree with independent implementations and have the properties that their definitions promise."""

from __future__ import annotations

import colorsys
import itertools
from fractions import Fraction
from types import ModuleType

import cv2
import numpy as np
import pytest
import skimage.color
import skimage.data
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from grayscale import conversions
from grayscale.conversions import CONVERSIONS, POINTWISE, bt601, gradient_correlation, gradient_correlation_weights
from tests.conftest import REPOSITORY

LEVEL = st.integers(0, 255)
CORNERS = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)[None]
RANDOM = np.random.default_rng(3).integers(0, 256, (100, 100, 3)).astype(np.uint8)
COLOURS = np.concatenate(
    [CORNERS, RANDOM.reshape(1, -1, 3)], axis=1
)  # the 8 corners of the cube, 10,000 random colours
GRAYS = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)

PHOTOGRAPHS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))
every_conversion = pytest.mark.parametrize("name", CONVERSIONS)
pointwise_conversion = pytest.mark.parametrize("name", POINTWISE)


@pytest.fixture(scope="module")
def colour() -> ModuleType:
    """colour-science, whose import takes seconds."""
    import colour

    return colour


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    """A photograph `(height, width, 3)` of coloured blobs."""
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)


# === Peers ===


def levels_apart(name: str, peer: np.ndarray) -> np.ndarray:
    """How far each of COLOURS, converted, is from a peer's whole or fractional levels."""
    return np.abs(CONVERSIONS[name](COLOURS) - np.asarray(peer, np.float64))


@pytest.mark.parametrize("peer", ["opencv", "pillow"])
def test_bt601_agrees_with_fixed_point_peers_to_one_level_and_almost_always_exactly(peer: str) -> None:
    if peer == "opencv":  # 14-bit weights: one level off on 0.12 % of colours
        gray = cv2.cvtColor(COLOURS, cv2.COLOR_RGB2GRAY)
    else:  # 16-bit weights: 0.05 %
        gray = np.asarray(Image.fromarray(COLOURS).convert("L"))
    difference = levels_apart("bt601", gray)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.003


def test_bt709_is_the_rounded_luma_of_colour_science(colour: ModuleType) -> None:
    weights = colour.WEIGHTS_YCBCR["ITU-R BT.709"]
    luma = colour.RGB_to_YCbCr(COLOURS / 255, K=weights, out_legal=False)[..., 0]
    assert levels_apart("bt709", 255 * luma).max() <= 0.5 + 1e-9


def test_linear_luminance_is_the_rounded_encoding_of_colour_science(colour: ModuleType) -> None:
    luminance = colour.sRGB_to_XYZ(COLOURS / 255)[..., 1]
    encoded = 255 * colour.models.eotf_inverse_sRGB(luminance)
    assert levels_apart("linear_luminance", np.floor(encoded + 0.5)).max() == 0


def test_lightness_is_the_rounded_lightness_of_colour_science(colour: ModuleType) -> None:
    luminance = colour.sRGB_to_XYZ(COLOURS / 255)[..., 1]
    scaled = 2.55 * colour.colorimetry.lightness_CIE1976(100 * luminance)
    assert levels_apart("lightness", np.floor(scaled + 0.5)).max() == 0


def test_average_is_the_rounded_mean() -> None:
    assert levels_apart("average", np.rint(COLOURS.mean(axis=-1))).max() == 0
    assert levels_apart("average", cv2.transform(COLOURS, np.full((1, 3), 1 / 3))).max() == 0


def test_value_is_that_of_every_hsv() -> None:
    assert levels_apart("value", cv2.cvtColor(COLOURS, cv2.COLOR_RGB2HSV)[..., 2]).max() == 0
    assert levels_apart("value", np.asarray(Image.fromarray(COLOURS).convert("HSV"))[..., 2]).max() == 0
    assert levels_apart("value", 255 * skimage.color.rgb2hsv(COLOURS)[..., 2]).max() < 1e-9


def test_hsl_lightness_is_the_rounded_lightness_of_colorsys() -> None:
    exact = [[colorsys.rgb_to_hls(*pixel)[1] for pixel in COLOURS[0].tolist()]]
    assert levels_apart("hsl_lightness", np.floor(np.array(exact) + 0.5)).max() == 0


def test_green_is_the_second_channel() -> None:
    assert levels_apart("green", np.asarray(Image.fromarray(COLOURS).getchannel("G"))).max() == 0


# === Rounding ===


@example(3, 1, 44)  # 6.5 in bt601
@example(3, 17, 79)  # 18.5 in bt709
@given(LEVEL, LEVEL, LEVEL)
def test_whole_number_conversions_are_exactly_rounded(red: int, green: int, blue: int) -> None:
    exact = {
        "bt601": Fraction(299 * red + 587 * green + 114 * blue, 1000),
        "bt709": Fraction(2126 * red + 7152 * green + 722 * blue, 10_000),
        "average": Fraction(red + green + blue, 3),
        "hsl_lightness": Fraction(max(red, green, blue) + min(red, green, blue), 2),
    }
    pixel = np.array([[[red, green, blue]]], np.uint8)
    for name, gray in exact.items():
        assert CONVERSIONS[name](pixel) == int(gray + Fraction(1, 2)), name


@pytest.mark.parametrize("borders", [conversions.ENCODED_BORDERS, conversions.LIGHTNESS_BORDERS])
def test_no_colour_lies_so_near_to_a_border_that_float64_could_err(borders: np.ndarray) -> None:
    red, green, blue = conversions.LIGHT
    luminance = np.sort((green[:, None] + blue).ravel())
    nearest = np.inf
    for level in red:
        above = np.searchsorted(luminance, borders - level)
        for neighbour in (above - 1, np.minimum(above, len(luminance) - 1)):
            nearest = min(nearest, np.abs(level + luminance[neighbour] - borders).min())
    assert nearest > 4e-11


# === Properties ===


def test_all_conversions_but_one_are_pointwise_and_params_yaml_names_all() -> None:
    assert set(CONVERSIONS) - set(POINTWISE) == {"gradient_correlation"}
    params = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    assert [name for name in CONVERSIONS if name not in params] == []


@every_conversion
@settings(max_examples=20, deadline=None)
@given(photograph=PHOTOGRAPHS)
def test_a_photograph_becomes_8_bit_gray_of_its_shape_and_is_left_alone(name: str, photograph: np.ndarray) -> None:
    before = photograph.copy()
    gray = CONVERSIONS[name](photograph)
    assert gray.dtype == np.uint8
    assert gray.shape == photograph.shape[:2]
    assert not np.shares_memory(gray, photograph)
    assert np.array_equal(photograph, before)


@every_conversion
def test_lighter_grays_stay_lighter_from_black_to_white(name: str) -> None:
    gray = CONVERSIONS[name](GRAYS)[0].astype(int)
    assert (np.diff(gray) >= 0).all()
    assert (gray[0], gray[-1]) == (0, 255)


@pytest.mark.parametrize("name", [name for name in CONVERSIONS if name != "lightness"])
def test_grays_stay_as_they_are(name: str) -> None:
    assert np.array_equal(CONVERSIONS[name](GRAYS), GRAYS[..., 0])


def test_lightness_darkens_dark_grays_and_lightens_the_others() -> None:
    gray = conversions.lightness(GRAYS)[0]
    assert gray[128] == 137  # L* = 53.585
    assert gray[119] == 128  # the gray of half lightness, L* = 50.03
    moved = gray.astype(int) - GRAYS[0, :, 0]
    assert (moved.min(), moved.max()) == (-4, 9)


@pointwise_conversion
@settings(max_examples=20, deadline=None)
@given(photograph=PHOTOGRAPHS, channel=st.integers(0, 2), rise=LEVEL)
def test_more_light_in_a_channel_never_darkens(name: str, photograph: np.ndarray, channel: int, rise: int) -> None:
    lighter = photograph.copy()
    lighter[..., channel] = np.minimum(lighter[..., channel].astype(int) + rise, 255)
    assert (CONVERSIONS[name](lighter) >= CONVERSIONS[name](photograph)).all()


@pointwise_conversion
@settings(max_examples=20, deadline=None)
@given(photograph=PHOTOGRAPHS, seed=st.integers(0, 99))
def test_pixels_may_be_converted_in_any_order_and_in_stripes(name: str, photograph: np.ndarray, seed: int) -> None:
    convert = CONVERSIONS[name]
    gray = convert(photograph)
    pixels = photograph.reshape(1, -1, 3)
    order = np.random.default_rng(seed).permutation(pixels.shape[1])
    assert np.array_equal(convert(pixels[:, order]).ravel(), gray.ravel()[order])
    stripes = [convert(stripe) for stripe in np.array_split(photograph, min(3, len(photograph)))]
    assert np.array_equal(np.concatenate(stripes), gray)
    assert np.array_equal(convert(np.tile(photograph, (2, 2, 1))), np.tile(gray, (2, 2)))


# === Gradient correlation ===


def differences_by_loops(photograph: np.ndarray, cells: int) -> list[list[int]]:
    """Differences of the search's pairs, by the words of its docstring: one pixel, one cell, one pair at a time."""
    height, width = photograph.shape[:2]
    rows = min(height, max(1, round(cells * (height / width) ** 0.5)))
    columns = min(width, max(1, round(cells * (width / height) ** 0.5)))
    fine = photograph.repeat(rows, axis=0).repeat(columns, axis=1).tolist()  # each cell is height × width of these
    reduced: dict[tuple[int, int], list[int]] = {}
    for row, column in itertools.product(range(rows), range(columns)):
        area = [fine[row * height + y][column * width + x] for y in range(height) for x in range(width)]
        reduced[row, column] = [
            int(Fraction(sum(level), len(area)) + Fraction(1, 2)) for level in zip(*area, strict=True)
        ]
    differences = []
    for (row, column), first in reduced.items():
        for down, right in (
            *((1, 0), (0, 1)),
            *((rows // 2, 0), (0, columns // 2), (rows // 2, columns // 2), (rows // 2, -(columns // 2))),
            *((rows // 4, 0), (0, columns // 4), (rows // 4, columns // 4), (rows // 4, -(columns // 4))),
        ):
            second = reduced.get((row + down, column + right))
            if second is not None:
                differences.append([a - b for a, b in zip(first, second, strict=True)])
    return differences


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (5, 7), (13, 8), (20, 31)])
def test_the_pairs_are_those_of_loops_over_cells(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "CELLS", 6)
    photograph = smooth(height, width, seed=0)
    pairs = conversions._pair_differences(conversions._reduce(photograph)).tolist()
    expected = differences_by_loops(photograph, cells=6)
    assert sorted(sorted((pair, [-d for d in pair])) for pair in pairs) == sorted(
        sorted((pair, [-d for d in pair])) for pair in expected
    )


@pytest.mark.parametrize("largest", [20, 255])  # levels; the invisible differences, below 18, are among the former
def test_the_similarities_are_those_of_the_formula_in_exact_fractions(largest: int) -> None:
    assert len(set(conversions.WEIGHTS)) == 66
    assert all(sum(weights) == 10 and min(weights) >= 0 for weights in conversions.WEIGHTS)
    differences = np.random.default_rng(1).integers(-largest, largest + 1, (25, 3))
    differences[0] = (12, 12, 6)  # 324 of the 325.125 that make a pair visible
    differences[1] = (17, 6, 1)  # 326
    for weights, score in zip(conversions.WEIGHTS, conversions._similarities(differences), strict=True):
        exact = Fraction(0)
        for difference in differences.tolist():
            if Fraction(sum(d**2 for d in difference), 255**2) < (2 * Fraction(5, 100) ** 2):
                continue
            gray = Fraction(abs(sum(w * d for w, d in zip(weights, difference, strict=True))), 10 * 255)
            for d in difference:
                contrast = Fraction(abs(d), 255) + Fraction(1, 4)
                exact += gray * contrast / (gray**2 + contrast**2)
        assert abs(score / 2**32 - exact) < 1e-8


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "immunohistochemistry"])
def test_single_pixels_and_random_pairs_as_published_choose_the_same_weights(name: str) -> None:
    photograph = getattr(skimage.data, name)() / 255
    height, width = photograph.shape[:2]
    step = (height * width) ** 0.5 / 64
    rows, columns = (np.arange(step / 2, side, step).astype(int) for side in (height, width))
    reduced = photograph[rows][:, columns]
    pixels, halved = reduced.reshape(-1, 3), reduced[::2, ::2]
    pairs = np.concatenate(
        [
            pixels - np.random.default_rng(0).permutation(pixels),
            (halved[1:] - halved[:-1]).reshape(-1, 3),
            (halved[:, 1:] - halved[:, :-1]).reshape(-1, 3),
        ]
    )
    pairs = pairs[np.sqrt(np.square(pairs).sum(axis=1)) >= 0.05 * 2**0.5]
    candidates = np.array([(red, green, 10 - red - green) for red in range(11) for green in range(11 - red)])
    gray = np.abs(pairs @ candidates.T / 10)[..., None]  # (pairs, 66, 1)
    contrast = np.abs(pairs)[:, None] + 0.25  # (pairs, 1, 3)
    scores = (gray * contrast / (gray**2 + contrast**2)).mean(axis=(0, 2))
    assert gradient_correlation_weights(getattr(skimage.data, name)()) == tuple(candidates[scores.argmax()])


def test_gray_is_the_weighted_sum_exactly_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "gradient_correlation_weights", lambda photograph: (3, 6, 1))
    exact = COLOURS.astype(int) @ (3, 6, 1)
    assert (exact % 10 == 5).any()
    assert np.array_equal(gradient_correlation(COLOURS), (exact + 5) // 10)


def test_an_achromatic_or_flat_photograph_gets_the_weights_nearest_to_bt601() -> None:
    gray = smooth(70, 90, 5)[..., :1]
    flat = np.full((70, 90, 3), (10, 200, 30), np.uint8)
    assert gradient_correlation_weights(gray.repeat(3, axis=2)) == (3, 6, 1)
    assert gradient_correlation_weights(flat) == (3, 6, 1)
    assert np.array_equal(gradient_correlation(gray.repeat(3, axis=2)), gray[..., 0])


def test_an_edge_between_colours_of_one_luma_stays_visible() -> None:
    photograph = np.full((80, 100, 3), (200, 0, 0), np.uint8)
    photograph[:, 45:] = (0, 102, 0)
    assert np.ptp(bt601(photograph)) == 0
    assert np.ptp(gradient_correlation(photograph)) >= 100


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 99))
def test_mirrored_and_turned_photographs_get_the_same_weights(height: int, width: int, seed: int) -> None:
    photograph = smooth(height, width, seed)
    weights = gradient_correlation_weights(photograph)
    for turned in (photograph[::-1], photograph[:, ::-1], np.rot90(photograph), photograph.swapaxes(0, 1)):
        assert gradient_correlation_weights(turned) == weights
