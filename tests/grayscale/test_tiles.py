"""Tiles join to a whole photograph of any size, without seams."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from grayscale import convolutional, tiles
from stages.common.settings import load
from stages.evaluate import networks
from stages.train.build import build
from tests.conftest import REPOSITORY

PATCH = 28
NETWORKS = ("simple", "bottleneck", "vae", "naive", "subpixel", "subpixel_bottleneck", "subpixel_vae")
FULLY_CONVOLUTIONAL = ("simple", "naive", "subpixel")


def network(name: str, patch: int = PATCH) -> keras.Model:
    """The variant `name` of params.yaml, untrained."""
    keras.utils.set_random_seed(5)
    return build(load(REPOSITORY / "params.yaml").variants[name], patch)


def photo(height: int, width: int) -> np.ndarray:
    """Soft coloured clouds, alike everywhere, `(height, width, 3)` in [0, 1]."""
    noise = np.random.default_rng(11).standard_normal((height, width, 3))
    clouds = gaussian_filter(noise, (6, 6, 0), mode="reflect")
    return (0.5 + 0.15 * clouds / max(clouds.std(), 1e-9)).clip(0, 1)


def seam_score(error: np.ndarray, step: int) -> float:
    """Kinks of an error image `(height, width)` where tiles begin, every `step` pixels, against those 4 pixels beside.

    A kink is the mean absolute second difference across a row or column. Places 4 pixels apart lie alike in the cells
    of 4 × 4 pixels, where some networks have kinks of their own.
    """
    scores = []
    for axis in (0, 1):
        kinks = np.abs(np.diff(error, n=2, axis=axis)).mean(axis=1 - axis)
        borders = np.arange(step, len(kinks) - 4, step) - 1  # kinks[k] is at pixel k + 1
        scores.append(kinks[borders].mean() / kinks[[borders - 4, borders + 4]].mean())
    return max(scores)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([None, 0, 2, 5]), st.sampled_from([12, 28]))
@settings(max_examples=60, deadline=None)
def test_a_method_that_changes_nothing_gives_the_photograph_back(
    height: int, width: int, margin: int | None, side: int
) -> None:
    photograph = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    result = tiles.whole(lambda colour: colour, photograph, side, margin=margin)
    np.testing.assert_allclose(result, photograph / 255, atol=1e-12)
    gray = tiles.whole(lambda colour: colour[..., 1], photograph, side, margin=margin)
    np.testing.assert_allclose(gray, photograph[..., 1] / 255, atol=1e-12)


def test_stripes_come_from_top_to_bottom_and_read_a_row_of_tiles_at_a_time() -> None:
    photograph, asked = photo(333, 50), []

    def read(top: int, bottom: int) -> np.ndarray:
        asked.append(bottom - top)
        return photograph[top:bottom]

    parts = list(tiles.stripes(lambda colour: colour[..., 0], read, 333, 50, PATCH))
    assert max(asked) == PATCH
    assert max(len(rows) for _, rows in parts) <= PATCH
    assert [top for top, _ in parts] == [0, *np.cumsum([len(rows) for _, rows in parts])[:-1]]


def test_beyond_its_edges_the_photograph_is_mirrored() -> None:
    seen = []

    def convert(colour: np.ndarray) -> np.ndarray:
        seen.append(colour)
        return colour

    row = np.arange(3, dtype=np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    tiles.whole(convert, row, 8, margin=2)
    np.testing.assert_array_equal((seen[0][0, 0, :, 0] * 255).round(), [1, 0, 0, 1, 2, 2, 1, 0])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_bound_to_its_patch_if_and_only_if_its_latent_has_no_place(name: str) -> None:
    assert (convolutional.any_size(network(name)) is not None) == (name in FULLY_CONVOLUTIONAL)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.GlobalAveragePooling2D(keepdims=True),
        keras.layers.LayerNormalization(axis=(1, 2)),
        keras.layers.Conv2D(1, 3, padding="valid"),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_that_looks_at_the_whole_image_or_cuts_its_edges_binds_a_network(layer: keras.Layer) -> None:
    image = keras.Input((PATCH, PATCH, 3))
    assert convolutional.any_size(keras.Model(image, layer(image))) is None


@pytest.mark.parametrize("name", FULLY_CONVOLUTIONAL)
def test_tiles_of_a_placeless_network_equal_the_photograph_in_one_piece(name: str) -> None:
    model, photograph = network(name), photo(144, 180)
    free = convolutional.any_size(model)
    assert free is not None
    margin = convolutional.margin(model)
    piece = networks.predict(free, photograph[None])[0]
    whole = tiles.whole(lambda colour: networks.predict(free, colour), photograph, 40 + 2 * margin, margin=margin)
    inside = np.s_[margin:-margin, margin:-margin]  # where one piece does not see its zero padding
    np.testing.assert_allclose(whole[inside], piece[inside], atol=2e-6)


@pytest.mark.parametrize("name", FULLY_CONVOLUTIONAL)
def test_no_input_beyond_the_margin_changes_an_output(name: str) -> None:
    model = network(name, 96)
    margin, image = convolutional.margin(model), np.random.default_rng(2).random((1, 96, 96, 3))
    other = image.copy()
    other[0, 48, 48] = 1 - other[0, 48, 48]
    rows, columns = np.nonzero(np.abs(networks.predict(model, image) - networks.predict(model, other))[0].max(axis=-1))
    assert 0 < max(np.abs(rows - 48).max(), np.abs(columns - 48).max()) <= margin
    assert margin % convolutional.cell(model) == 0


def mean_of_patch(colour: np.ndarray) -> np.ndarray:
    """The extreme of a method that is bound to its patch."""
    gray = colour.mean(axis=-1)
    return np.broadcast_to(gray.mean(axis=(1, 2), keepdims=True), gray.shape)


def sixteen_frequencies() -> Callable[[np.ndarray], np.ndarray]:
    """A patch-bound network whose latent holds 16 numbers."""
    recipe = load(REPOSITORY / "params.yaml").variants["subpixel_bottleneck"]
    model = build(recipe.model_copy(update={"latent_divisor": PATCH**2 // 16}), PATCH)
    return lambda colour: networks.predict(model, colour)[..., 0]


@pytest.mark.parametrize("method", ["mean of patch", "sixteen frequencies"])
def test_blended_patches_show_no_seams_where_patches_side_by_side_do(method: str) -> None:
    convert = mean_of_patch if method == "mean of patch" else sixteen_frequencies()
    photograph = photo(280, 308)
    gray = photograph.mean(axis=-1)
    blended = tiles.whole(convert, photograph, PATCH) - gray
    side_by_side = tiles.whole(convert, photograph, PATCH, margin=0) - gray
    assert seam_score(side_by_side, PATCH) > 5
    assert seam_score(blended, PATCH // 2) < 1.2


@pytest.mark.parametrize("name", ["simple", "naive"])  # the cells of `subpixel` don't see each other
def test_placeless_networks_show_no_seams_where_tiles_without_margin_do(name: str) -> None:
    model, photograph = network(name), photo(280, 308)
    free = convolutional.any_size(model)

    def score(margin: int) -> float:
        side = 56 + 2 * margin
        output = tiles.whole(lambda colour: networks.predict(free, colour), photograph, side, margin=margin)
        return seam_score(output.mean(axis=-1) - photograph.mean(axis=-1), step=56)

    assert score(margin=0) > 2
    assert score(convolutional.margin(model)) < 1.1
