"""Builds the network of a variant for a patch size or for any size, and counts its multiply-adds."""

import math
from importlib import import_module

import keras
from keras import layers

from grayscale.damage import PLANES
from stages.common.settings import Variant
from stages.common.stage import StageError

CHANNELS = {"colour": 3, "gray": 1, "colour_damage": 3 + len(PLANES)}


def build(variant: Variant, patch: int) -> keras.Model:
    """The untrained network of `variant` for patches of `patch` pixels; `StageError` if that is impossible."""
    network = import_module(f"stages.networks.{variant.network}")
    try:
        model: keras.Model = network.build(
            patch=patch, inputs=CHANNELS[variant.input], outputs=CHANNELS[variant.target], **variant.options
        )
    except ValueError as error:
        raise StageError(str(error)) from error
    return model


def resized(model: keras.Model, variant: Variant, patch: int) -> keras.Model:
    """`model`, built by `build`, for another patch size; `StageError` if the weights depend on the size."""
    other = build(variant, patch)
    if [weight.shape for weight in other.weights] != [weight.shape for weight in model.weights]:
        raise StageError(f"join is {variant.join}, but the weights of network {variant.network!r} depend on the size")
    other.set_weights(model.get_weights())
    return other


def reach(variant: Variant) -> tuple[int, int] | None:
    """Cell and margin of the network of `variant`, see `stages.networks`; None if it is bound to its patch size."""
    declared = getattr(import_module(f"stages.networks.{variant.network}"), "reach", None)
    return declared(**variant.options) if declared else None


def any_size(model: keras.Model) -> keras.Model:
    """The same network for images of any size; it must have a `reach`."""
    image = keras.Input((None, None, model.input_shape[-1]), dtype=model.input.dtype, name="image")
    free = keras.models.clone_model(model, input_tensors=image)
    free.set_weights(model.get_weights())
    return free


def macs(model: keras.Model) -> int:
    """Multiply-adds of convolutions, transposed convolutions and dense layers for one patch, borders included."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += macs(layer)
        elif isinstance(layer, layers.Conv2D | layers.Dense):
            total += math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, layers.Conv2DTranspose):
            total += math.prod(layer.input.shape[1:-1]) * math.prod(layer.kernel.shape)
    return total
