"""Tiles join to a whole photograph of any size, without seams."""

from __future__ import annotations

from unittest.mock import Mock

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from grayscale import keras_models, tiles
from stages.common.settings import load
from stages.evaluate import networks
from stages.train.build import build
from tests.conftest import REPOSITORY

PATCH = 28
FULLY_CONVOLUTIONAL = ("simple", "naive", "subpixel")
NETWORKS = (*FULLY_CONVOLUTIONAL, "bottleneck", "vae", "adaptive")


def network(name: str, patch: int = PATCH) -> keras.Model:
    """The variant `name` of params.yaml, untrained."""
    keras.utils.set_random_seed(5)
    return build(load(REPOSITORY / "params.yaml").variants[name], patch)


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
        result = tiles.whole(lambda colour, part=part: colour[part], photograph, side, margin=margin)  # type: ignore[misc]
        np.testing.assert_allclose(result, photograph[part] / 255, atol=1e-12)


def test_stripes_come_from_top_to_bottom_and_read_a_row_of_tiles_at_a_time() -> None:
    photograph = photo(333, 50)
    read = Mock(side_effect=lambda top, bottom: photograph[top:bottom])
    parts = list(tiles.stripes(lambda colour: colour[..., 0], read, 333, 50, PATCH))
    assert max(bottom - top for (top, bottom), _ in read.call_args_list) == PATCH
    assert max(len(rows) for _, rows in parts) <= PATCH
    assert [top for top, _ in parts] == [0, *np.cumsum([len(rows) for _, rows in parts])[:-1]]


def test_beyond_its_edges_the_photograph_is_mirrored() -> None:
    convert = Mock(side_effect=lambda colour: colour)
    row = np.arange(3, dtype=np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    tiles.whole(convert, row, 8, margin=2)
    first = convert.call_args_list[0].args[0]
    np.testing.assert_array_equal((first[0, 0, :, 0] * 255).round(), [1, 0, 0, 1, 2, 2, 1, 0])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_images_of_any_size_if_and_only_if_its_latent_has_places(name: str) -> None:
    model, images = network(name), np.random.default_rng(1).random((2, PATCH, PATCH, 3))
    free = keras_models.any_size(model)
    assert (free is not None) == (name in FULLY_CONVOLUTIONAL)
    if free is not None:
        np.testing.assert_array_equal(networks.predict(free, images), networks.predict(model, images))


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
    assert keras_models.any_size(keras.Model(image, layer(image))) is None


@pytest.mark.parametrize("name", FULLY_CONVOLUTIONAL)
def test_no_input_beyond_the_margin_changes_an_output(name: str) -> None:
    model = network(name, 96)
    margin, image = keras_models.margin(model), np.random.default_rng(2).random((1, 96, 96, 3))
    other = image.copy()
    other[0, 48, 48] = 1 - other[0, 48, 48]
    rows, columns = np.nonzero(np.abs(networks.predict(model, image) - networks.predict(model, other))[0].max(axis=-1))
    assert 0 < max(np.abs(rows - 48).max(), np.abs(columns - 48).max()) <= margin
    assert margin % keras_models.cell(model) == 0


def mean_of_patch(colour: np.ndarray) -> np.ndarray:
    """The extreme of a method that is bound to its patch."""
    gray = colour.mean(axis=-1)
    return np.broadcast_to(gray.mean(axis=(1, 2), keepdims=True), gray.shape)


def test_blended_patches_show_no_seams_where_patches_side_by_side_do() -> None:
    photograph = photo(280, 308)
    gray = photograph.mean(axis=-1)
    blended = tiles.whole(mean_of_patch, photograph, PATCH) - gray
    side_by_side = tiles.whole(mean_of_patch, photograph, PATCH, margin=0) - gray
    assert seam_score(side_by_side, PATCH) > 5
    assert seam_score(blended, PATCH // 2) < 1.2
