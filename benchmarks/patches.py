"""A network without any head start: plain patch convolutions with random initial weights. Only benchmarks train it."""

from __future__ import annotations

import keras
from keras import layers, ops


def build(patch: int) -> keras.Model:
    """A 4 × 4 convolution of stride 4 to 16 channels, a 1 × 1 convolution, and depth to space: 1,056 parameters.

    The latent has the 784 numbers of `simple`. Initial weights are orthogonal (Saxe et al. 2014, arXiv:1312.6120).
    """
    start = {"kernel_initializer": "orthogonal"}
    cells = patch // 4
    image = keras.Input((patch, patch, 3), name="image")
    x = layers.Conv2D(16, 4, strides=4, name="latent", **start)(image)  # (7, 7, 16)
    x = layers.Conv2D(16, 1, name="decode", **start)(x)  # (7, 7, 16)
    x = ops.reshape(x, (-1, cells, cells, 4, 4))  # (7, 7, 4, 4)
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (-1, patch, patch, 1))  # (28, 28, 1)
    return keras.Model(image, x, name="patches")
