"""Rebuild fully convolutional models for any input size."""

from __future__ import annotations

import keras
from keras import layers

FULLY_CONVOLUTIONAL = (
    layers.InputLayer,
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.UpSampling2D,
    layers.Activation,
    layers.Add,
    layers.Concatenate,
)
KERNEL_ATTRIBUTES = ("kernel_size", "pool_size", "size")  # of those layers, the square that an output is made of


def any_size(model: keras.Model) -> keras.Model | None:
    """The same network for images of any size that `cell` divides; None if it is not fully convolutional.

    A network with a dense latent is not, nor one with a layer of a kind that is not listed above.
    """
    if not all(isinstance(layer, FULLY_CONVOLUTIONAL) for layer in model.layers):
        return None
    if any(model.input_shape[1] % layer.output.shape[1] for layer in model.layers):
        return None  # "valid" convolutions cut the image's edges off
    image = keras.Input((None, None, model.input_shape[-1]), dtype=model.input.dtype, name="image")
    free = keras.models.clone_model(model, input_tensors=image)
    free.set_weights(model.get_weights())
    return free


def cell(model: keras.Model) -> int:
    """The total stride of a network with a fixed input size, in pixels: 4 if it halves the image twice."""
    return max(model.input_shape[1] // layer.output.shape[1] for layer in model.layers)


def margin(model: keras.Model) -> int:
    """An upper bound of the receptive field's radius in pixels, a multiple of `cell`.

    For a network with a fixed input size that `any_size` accepts. A kernel of k × k values adds at most k − 1 of them,
    in pixels of the finer of the layer's input and output.
    """
    reach = 0
    for layer in model.layers:
        for name in KERNEL_ATTRIBUTES:
            if hasattr(layer, name):
                values = (max(getattr(layer, name)) - 1) * max(getattr(layer, "dilation_rate", (1,)))
                reach += values * model.input_shape[1] // max(layer.input.shape[1], layer.output.shape[1])
    return -(-reach // cell(model)) * cell(model)
