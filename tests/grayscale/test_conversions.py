"""Conversions agree with independent implementations and have the promised properties."""

import colorsys
import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
import pytest
import skimage.color
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from grayscale import conversions
from grayscale.conversions import CONVERSIONS, POINTWISE, gradient_correlation, gradient_correlation_weights
from tests.conftest import REPOSITORY

RNG = np.random.default_rng(3)
HALVES = np.array([[3, 1, 44], [3, 17, 79]], np.uint8)  # 6.5 in bt601, 18.5 in bt709
CORNERS = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)
GRAYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
COLOURS = np.concatenate([HALVES, CORNERS, GRAYS, RNG.integers(0, 256, (10_000, 3)).astype(np.uint8)])[None]
PHOTOGRAPHS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    """A photograph `(height, width, 3)` of coloured blobs."""
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)


# === Peers ===


def of_colour_science(name: str) -> np.ndarray:
    import colour  # its import takes seconds

    if name in ("bt601", "bt709"):
        weights = colour.WEIGHTS_YCBCR[f"ITU-R {name[:2].upper()}.{name[2:]}"]
        return 255 * colour.RGB_to_YCbCr(COLOURS / 255, K=weights, out_legal=False)[..., 0]
    luminance = colour.sRGB_to_XYZ(COLOURS / 255)[..., 1]
    if name == "lightness":
        return 2.55 * colour.colorimetry.lightness_CIE1976(100 * luminance)
    return 255 * colour.models.eotf_inverse_sRGB(luminance)


def of_scikit_image(stain: int) -> np.ndarray:
    """The stain's density of at most 1.5; scikit-image's unit is an optical density of 6."""
    return 255 * np.minimum(6 * skimage.color.rgb2hed(COLOURS)[..., stain], 1.5) / 1.5


PEERS: dict[str, Callable[[], np.ndarray]] = {
    **{name: partial(of_colour_science, name) for name in ("bt601", "bt709", "linear_luminance", "lightness")},
    "average": lambda: COLOURS.mean(axis=-1),
    "value": lambda: 255 * skimage.color.rgb2hsv(COLOURS)[..., 2],
    "hsl_lightness": lambda: np.array([[colorsys.rgb_to_hls(*pixel)[1] for pixel in COLOURS[0].tolist()]]),
    "green": lambda: np.asarray(Image.fromarray(COLOURS).getchannel("G")),
    **{name: partial(of_scikit_image, stain) for stain, name in enumerate(("haematoxylin", "eosin", "dab"))},
}


@pytest.mark.parametrize("name", POINTWISE)
def test_a_pointwise_conversion_equals_a_peer_with_halves_rounded_up(name: str) -> None:
    gray = CONVERSIONS[name](COLOURS)
    assert gray.dtype == np.uint8
    assert np.array_equal(gray, np.floor(PEERS[name]() + 0.5 + 1e-9))  # 1e-9: the peers err in the last bits


@pytest.mark.parametrize("borders", [conversions.ENCODED_BORDERS, conversions.LIGHTNESS_BORDERS])
def test_no_colour_is_so_near_to_a_border_that_float64_could_err(borders: np.ndarray) -> None:
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


@pytest.mark.parametrize("name", CONVERSIONS)
@settings(max_examples=20)
@given(photograph=PHOTOGRAPHS)
def test_a_photograph_becomes_8_bit_gray_of_its_size_and_is_not_changed(name: str, photograph: np.ndarray) -> None:
    before = photograph.copy()
    gray = CONVERSIONS[name](photograph)
    assert (gray.dtype, gray.shape) == (np.uint8, photograph.shape[:2])
    assert not np.shares_memory(gray, photograph)
    assert np.array_equal(photograph, before)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_stripes_equal_the_photograph_in_one_piece(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph, read = smooth(13, 8, seed=0), list[int]()
    monkeypatch.setattr(conversions, "STRIPE", 3 * 8 + 1)

    def rows(top: int, bottom: int) -> np.ndarray:
        read.append(bottom - top)
        return photograph[top:bottom]

    tops, parts = zip(*conversions.stripes(name, rows, 13, 8), strict=True)
    assert np.array_equal(np.concatenate(parts), CONVERSIONS[name](photograph))
    assert tops == (tuple(range(0, 13, 3)) if name in POINTWISE else (0,))
    assert read == ([3, 3, 3, 3, 1] if name in POINTWISE else [13])


# === Gradient correlation ===


def weights_by_loops(photograph: np.ndarray, cells: int) -> tuple[int, ...]:
    """The definition in the docstring, in exact fractions, one pair at a time."""
    height, width = photograph.shape[:2]
    rows = min(height, max(1, round(cells * (height / width) ** 0.5)))
    columns = min(width, max(1, round(cells * (width / height) ** 0.5)))
    fine = photograph.repeat(rows, axis=0).repeat(columns, axis=1)  # each cell is height × width of these
    means = np.floor(fine.reshape(rows, height, columns, width, 3).mean(axis=(1, 3)) + 0.5).astype(int)
    halves, quarters = (rows // 2, columns // 2), (rows // 4, columns // 4)
    offsets = [(1, 0), (0, 1)]
    for down, right in (halves, quarters):
        offsets += [(down, 0), (0, right), (down, right), (down, -right)]
    scores = dict.fromkeys(conversions.WEIGHTS, Fraction(0))
    for row, column, (down, right) in itertools.product(range(rows), range(columns), offsets):
        if row + down >= rows or not 0 <= column + right < columns:
            continue
        difference = [Fraction(int(d), 255) for d in means[row, column] - means[row + down, column + right]]
        if sum(d**2 for d in difference) < 2 * Fraction(5, 100) ** 2:
            continue
        for weights in scores:
            gray = abs(sum((w * d for w, d in zip(weights, difference, strict=True)), Fraction(0))) / 10
            for contrast in (abs(d) + Fraction(1, 4) for d in difference):
                scores[weights] += gray * contrast / (gray**2 + contrast**2)
    return max(scores, key=lambda weights: scores[weights])


@pytest.mark.parametrize(("height", "width"), [(1, 9), (5, 7), (13, 8), (20, 31)])
@pytest.mark.parametrize(("largest", "seeds"), [(24, 12), (255, 3)])  # levels; differences below 18 are invisible
def test_the_weights_are_those_of_the_definition(
    height: int, width: int, largest: int, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "CELLS", 4)
    for seed in range(seeds):
        photograph = smooth(height, width, seed) // (255 // largest)
        assert gradient_correlation_weights(photograph) == weights_by_loops(photograph, 4)


def test_an_achromatic_or_flat_photograph_gets_the_weights_nearest_to_bt601() -> None:
    gray = smooth(70, 90, 5)[..., :1]
    flat = np.full((70, 90, 3), (10, 200, 30), np.uint8)
    assert gradient_correlation_weights(gray.repeat(3, axis=2)) == (3, 6, 1)
    assert gradient_correlation_weights(flat) == (3, 6, 1)
    assert np.array_equal(gradient_correlation(gray.repeat(3, axis=2)), gray[..., 0])
