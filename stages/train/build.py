"""A variant's network, built for patches of a size. How it is trained stands in `stages.train.fit`."""

from importlib import import_module

import keras

from grayscale.damage import PLANES
from stages.common.settings import Variant
from stages.common.stage import StageError

CHANNELS = {"colour": 3, "gray": 1, "colour_damage": 3 + len(PLANES)}


def build(variant: Variant, patch: int) -> keras.Model:
    """The untrained network of `variant` for square patches with sides of `patch` pixels.

    Raises:
        StageError: the network's options don't go with that size.
    """
    network = import_module(f"stages.networks.{variant.network}")
    try:
        model: keras.Model = network.build(
            patch=patch, inputs=CHANNELS[variant.input], outputs=CHANNELS[variant.target], **variant.options
        )
    except ValueError as error:
        raise StageError(str(error)) from error
    return model


def resized(model: keras.Model, variant: Variant, patch: int) -> keras.Model:
    """`model`, which `build` made, for patches of another size.

    Raises:
        StageError: the network has other weights then.
    """
    other = build(variant, patch)
    if [weight.shape for weight in other.weights] != [weight.shape for weight in model.weights]:
        raise StageError(f"join is {variant.join}; network {variant.network!r} is bound to the size of its patches")
    other.set_weights(model.get_weights())
    return other
