"""Which networks accept images of any size, and how large their receptive field is."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from stages.evaluate.networks import predict
from stages.train.anysize import any_size
from tests.grayscale.conftest import network

PATCH = 28
FULLY_CONVOLUTIONAL = ("simple", "naive", "subpixel", "denoise")


def of(layer: Callable[[Any], Any], side: int = PATCH) -> keras.Model:
    image = keras.Input((side, side, 3))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize("name", ["bottleneck", "vae", "adaptive"])
def test_a_dense_latent_fixes_the_image_size(name: str) -> None:
    assert any_size(network(name, PATCH)) is None


class Mirror(layers.Conv2D):
    """A layer of a user."""


@pytest.mark.parametrize(
    "layer",
    [
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.LayerNormalization(axis=(1, 2)),
        layers.BatchNormalization(axis=1),
        layers.Conv2D(1, 3, padding="valid"),
        layers.Conv2D(1, 15, strides=1, padding="valid"),  # 28 → 14, like a stride of 2
        Mirror(1, 3, padding="same"),
        lambda x: x - keras.ops.mean(x, axis=(1, 2), keepdims=True),
        lambda x: x * np.random.default_rng(0).random((PATCH, PATCH, 1)),
        lambda x: keras.ops.flip(x, axis=1),
        lambda x: layers.UpSampling2D(2, interpolation="bilinear")(layers.MaxPooling2D(2)(x)),
        lambda x: layers.Concatenate(axis=1)([x, x]),
        of(layers.Conv2D(1, 3, padding="same")),
    ],
)
def test_a_layer_that_sees_the_whole_image_or_crops_it_fixes_the_size(layer: Callable[[Any], Any]) -> None:
    assert any_size(of(layer)) is None


def same(filters: int, kernel: int, **options: Any) -> layers.Layer:
    return layers.Conv2D(filters, kernel, padding="same", **options)


def twice(layer: layers.Layer) -> Callable[[Any], Any]:
    return lambda x: layer(layer(x))


# Network and its cell.
SEEING: dict[str, tuple[Callable[[Any], Any], int]] = {
    "one pixel": (same(2, 1), 1),
    "dilated": (same(2, 3, dilation_rate=4), 1),
    "the same layer twice": (twice(same(3, 5)), 1),
    "strided": (keras.Sequential([same(2, 3, strides=2), layers.Conv2DTranspose(1, 5, 2, padding="same")]).call, 2),
    "thirds": (keras.Sequential([same(2, 3, strides=3), layers.UpSampling2D(3)]).call, 3),
    "halves and thirds": (
        lambda x: layers.Concatenate()(
            [layers.UpSampling2D(2)(same(2, 2, strides=2)(x)), layers.UpSampling2D(3)(same(2, 3, strides=3)(x))]
        ),
        6,
    ),
    "sub-pixels": (lambda x: keras.ops.depth_to_space(same(12, 3)(keras.ops.space_to_depth(x, 2)), 2), 2),
    "residual": (lambda x: x + layers.BatchNormalization()(same(3, 3)(layers.LeakyReLU()(same(4, 3)(x)))), 1),
    "branches": (lambda x: layers.Concatenate()([same(2, 3)(x), same(2, 5)(same(2, 7)(x)), x]), 1),
    "separable": (lambda x: layers.SeparableConv2D(2, 5, padding="same")(layers.Rescaling(2.0)(x)), 1),
}


@pytest.mark.parametrize("name", [*SEEING, *FULLY_CONVOLUTIONAL])
def test_no_input_beyond_the_margin_changes_an_output(name: str) -> None:
    keras.utils.set_random_seed(4)
    model = of(SEEING[name][0], 48) if name in SEEING else network(name, PATCH)
    found = any_size(model)
    assert found
    free, (cell, margin) = found
    images = np.random.default_rng(1).random((2, *model.input_shape[1:]))
    np.testing.assert_array_equal(predict(free, images), predict(model, images))
    assert cell == (SEEING[name][1] if name in SEEING else 4)
    assert margin % cell == 0
    side, middle = 2 * (margin + 12), margin + 12
    image = np.random.default_rng(2).random((1, side, side, model.input_shape[-1]))
    reached = 0
    for place in range(middle, middle + cell):
        other = image.copy()
        other[0, place, place] += 0.5
        moved = np.abs(np.asarray(free(image)) - np.asarray(free(other)))[0].max(axis=-1)
        rows, columns = np.nonzero(moved)
        reached = max(reached, np.abs(rows - place).max(), np.abs(columns - place).max())
    assert reached <= margin
