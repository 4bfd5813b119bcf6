"""Networks that treat every place of an image alike: telling them by their layers, and freeing them of one size."""

from __future__ import annotations

import keras
from keras import layers

PLACELESS = (
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
LOOKS_AT = ("kernel_size", "pool_size", "size")  # what those layers call the square that they look at


def any_size(model: keras.Model) -> keras.Model | None:
    """The same network for images of any size that `cell` divides; None if it is bound to the size it was built for.

    Bound are those with a dense latent, and all with a layer that is not known to treat every place alike.
    """
    if not all(isinstance(layer, PLACELESS) for layer in model.layers):
        return None
    if any(model.input_shape[1] % layer.output.shape[1] for layer in model.layers):
        return None  # "valid" convolutions cut the image's edges off
    image = keras.Input((None, None, model.input_shape[-1]), dtype=model.input.dtype, name="image")
    free = keras.models.clone_model(model, input_tensors=image)
    free.set_weights(model.get_weights())
    return free


def cell(model: keras.Model) -> int:
    """Side in pixels of the square that a network with a fixed input size moves as one: 4 where it halves it twice."""
    return max(model.input_shape[1] // layer.output.shape[1] for layer in model.layers)


def margin(model: keras.Model) -> int:
    """Pixels, a multiple of `cell`, such that input farther away leaves an output pixel as it is.

    Of a network with a fixed input size that `any_size` accepts. An upper bound: a layer that looks at k × k values
    adds at most k − 1 of them, in pixels of the finer of its two sides.
    """
    reach = 0
    for layer in model.layers:
        for name in LOOKS_AT:
            if hasattr(layer, name):
                values = (max(getattr(layer, name)) - 1) * max(getattr(layer, "dilation_rate", (1,)))
                reach += values * model.input_shape[1] // max(layer.input.shape[1], layer.output.shape[1])
    return -(-reach // cell(model)) * cell(model)
