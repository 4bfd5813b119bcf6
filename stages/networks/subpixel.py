"""`subpixel`: a learned linear filter from each 4 × 4 cell to 16 numbers, and from these to 4 × 4 gray pixels.

The latent has as many numbers as that of `simple`, and no detail is pooled away: gray is linear in colour.
"""

import keras
from keras import layers

CELL = 4  # pixels on a side


def build(*, patch: int, inputs: int, outputs: int) -> keras.Model:
    """A strided convolution and a sub-pixel convolution (Shi et al. 2016, arXiv:1609.05158), here transposed."""
    cells = {"kernel_size": CELL, "strides": CELL, "kernel_initializer": "orthogonal"}
    image = keras.Input((patch, patch, inputs), name="image")
    x = layers.Conv2D(CELL * CELL, name="latent", **cells)(image)  # (7, 7, 16)
    x = layers.Conv2DTranspose(outputs, name="output", **cells)(x)  # (28, 28, 1)
    return keras.Model(image, x, name="subpixel")


def reach() -> tuple[int, int]:
    """Cell and margin, see `stages.networks`."""
    return CELL, 2 * CELL
