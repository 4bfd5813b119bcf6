"""Faster convolutions of doubled images have the same outputs, gradients and variables."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from stages.common.artifacts import write_model
from stages.networks import simple
from stages.train.enlarged import SmallConvolution, computed_small

IMAGES = np.random.default_rng(3).random((3, 8, 8, 3))


@pytest.fixture(autouse=True)
def float64() -> None:
    keras.utils.set_random_seed(2)
    keras.config.set_dtype_policy("float64")


def enlarging(convolution: layers.Layer, size: int = 2, interpolation: str = "nearest") -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.UpSampling2D(size, interpolation=interpolation)(x)
    return keras.Model(image, convolution(x), name="enlarging")


def small_ones(model: keras.Model) -> list[str]:
    return [layer.convolution.name for layer in model.layers if isinstance(layer, SmallConvolution)]


def outputs_and_gradients(model: keras.Model) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        outputs = model(tf.constant(IMAGES), training=True)
        loss = tf.reduce_mean(tf.square(outputs - 0.3))
    return [outputs.numpy(), *map(np.asarray, tape.gradient(loss, model.trainable_variables))]


@pytest.mark.parametrize(
    ("filters", "options"),
    [
        (1, {"use_bias": False}),
        (5, {"activation": "relu"}),
        (5, {"activation": "sigmoid", "bias_initializer": "normal"}),
    ],
)
def test_outputs_and_gradients_are_the_same(filters: int, options: dict[str, Any]) -> None:
    model = enlarging(layers.Conv2D(filters, 3, padding="same", name="wide", **options))
    small = computed_small(model)
    assert small_ones(small) == ["wide"]
    found, wanted = outputs_and_gradients(small), outputs_and_gradients(model)
    for mine, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-14)
    assert max(np.abs(gradient).max() for gradient in wanted[1:]) > 1e-4


def test_the_fast_form_has_the_variables_of_the_network_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    model = simple.build(patch=8, inputs=3, outputs=1)
    write_model(tmp_path / "before.keras", model)
    small = computed_small(model)
    assert small_ones(small) == ["decode_2", "output"]
    assert [id(weight) for weight in small.weights] == [id(weight) for weight in model.weights]
    write_model(tmp_path / "after.keras", model)
    assert (tmp_path / "before.keras").read_bytes() == (tmp_path / "after.keras").read_bytes()
    assert computed_small(small) is small  # nothing is left to do


@pytest.mark.parametrize(
    ("convolution", "options"),
    [
        (layers.Conv2D(2, 5, padding="same"), {}),
        (layers.Conv2D(2, 3, padding="valid"), {}),
        (layers.Conv2D(2, 3, padding="same", strides=2), {}),
        (layers.Conv2D(2, 3, padding="same", dilation_rate=2), {}),
        (layers.Conv2D(2, 3, padding="same", groups=2), {}),
        (layers.Conv2DTranspose(2, 3, padding="same"), {}),
        (layers.Conv2D(2, 3, padding="same"), {"size": 3}),
        (layers.Conv2D(2, 3, padding="same"), {"interpolation": "bilinear"}),
    ],
)
def test_other_layers_are_not_changed(convolution: layers.Layer, options: dict[str, Any]) -> None:
    model = enlarging(convolution, **options)
    small = computed_small(model)
    assert small_ones(small) == []
    np.testing.assert_array_equal(small(IMAGES), model(IMAGES))
