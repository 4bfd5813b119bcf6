"""Trained networks as Keras models: load and check a file, and rebuild fully convolutional ones for any input size.

Of the library, only this file, networks.py and export.py know of Keras.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from grayscale import models, networks
from grayscale.models import ModelError, Network

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


def network(path: Path) -> Network:
    """A model file, ready to run; see `load`."""
    model = load(path)
    free = any_size(model)
    return Network(
        predict=lambda images: networks.predict(free or model, images),
        channels=model.input_shape[-1],
        patch=model.input_shape[1],
        cell=cell(model) if free else None,
        margin=margin(model) if free else None,
    )


def load(path: Path) -> keras.Model:
    """A model file as it was stored, in float32; Keras's safe mode stays on, so that no code in the file can run.

    Raises:
        ModelError: the file is missing, is none in the `.keras` format, or does not map square images with one or
            three channels to images of the same size with one or three.
    """
    models.refuse_other_files(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a damaged or hostile file makes of it
        raise ModelError(f"{path}: can't be loaded as a model: {error}") from error
    shapes = [getattr(model, shape, None) for shape in ("input_shape", "output_shape")]
    match shapes:
        case [(None, int() as side, width, 1 | 3), (None, height, across, 1 | 3)]:
            if side == width == height == across and side % 2 == 0:
                return model
    raise ModelError(
        f"{path}: maps {shapes[0]} to {shapes[1]}; a model for photographs maps (None, side, side, 1 or 3) to the same "
        "side, even"
    )


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
