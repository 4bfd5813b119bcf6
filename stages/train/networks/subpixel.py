"""`subpixel`: each 4 × 4 cell becomes 16 numbers, and 16 numbers become 4 × 4 gray pixels.

The latent has the size of that of `simple` (7 × 7 × 16 = 784 for 28-pixel patches), but nothing is pooled away: gray
is linear in colour, so a linear patch convolution can carry every gray pixel. The decoder is the sub-pixel convolution
of Shi et al. 2016 (arXiv:1609.05158), written as the transposed convolution that it equals when stride = kernel size.

What decides is where training starts. Neighbouring pixels are so alike that the gradient of a detail is thousands of
times smaller than that of the mean, and plain initialisation learns details last. In the cosine basis they are nearly
uncorrelated, each channel carries one spatial frequency, and Adam's step sizes per weight do the rest. Colour is
learned: each frequency starts from its own random mixture of the channels.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

CELL = 4  # pixels on a side


def build(*, patch: int, inputs: int, outputs: int) -> keras.Model:
    """A linear stride-4 convolution to 16 channels and a linear stride-4 transposed convolution back."""
    # === Layers ===
    cell = {"kernel_size": CELL, "strides": CELL, "padding": "valid"}
    image = keras.Input((patch, patch, inputs), name="image")

    # === Encoder ===
    x = layers.Conv2D(CELL * CELL, name="latent", **cell)(image)  # (7, 7, 16)

    # === Decoder ===
    x = layers.Conv2DTranspose(outputs, name="output", **cell)(x)  # (28, 28, 1)
    model = keras.Model(image, x, name="subpixel")

    # === Initial weights ===
    basis = cosine_basis()[:, :, None, :]  # (4, 4, 1, 16)
    mixture = keras.random.uniform((inputs, CELL * CELL), 0, 2 / inputs)  # of mean gain 1
    model.get_layer("latent").kernel.assign(basis * keras.ops.convert_to_numpy(mixture))  # (4, 4, 3, 16)
    model.get_layer("output").kernel.assign(np.repeat(basis, outputs, axis=2))  # (4, 4, 1, 16)
    return model


def cosine_basis() -> np.ndarray:
    """The orthonormal two-dimensional DCT-II (Ahmed, Natarajan and Rao 1974) of a cell: `(row, column, frequency)`."""
    n = np.arange(CELL)
    rows = np.sqrt(2 / CELL) * np.cos(np.pi * (2 * n + 1) * n[:, None] / (2 * CELL))  # frequency × position
    rows[0] /= np.sqrt(2)
    return np.einsum("ui,vj->ijuv", rows, rows).reshape(CELL, CELL, CELL * CELL)
