"""The work of a network: multiply-adds per patch, counted from its layers."""

import math

import keras
from keras import layers


def macs(model: keras.Model) -> int:
    """Multiply-adds of the convolutions, transposed convolutions and dense layers for one patch; of nothing else.

    A convolution does those of its kernel at each output pixel, borders too; a transposed one at each input pixel.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += macs(layer)
        elif isinstance(layer, layers.Conv2D | layers.Dense):
            total += math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, layers.Conv2DTranspose):
            total += math.prod(layer.input.shape[1:-1]) * math.prod(layer.kernel.shape)
    return total
