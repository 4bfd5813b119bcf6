"""`subpixel`: a linear filter: each 4 × 4 cell becomes 16 numbers, and 16 numbers become 4 × 4 gray pixels.

The latent has the size of that of `simple` (7 × 7 × 16 = 784 for 28-pixel patches), but nothing is pooled away: gray
is linear in colour, so 784 numbers can carry every gray pixel. Nothing is fixed, and all weights start at random.
"""

import keras
from keras import layers

CELL = 4  # pixels on a side


def build(*, patch: int, inputs: int, outputs: int) -> keras.Model:
    """A convolution of cells, and a sub-pixel convolution back (Shi et al. 2016, arXiv:1609.05158).

    The second is written as the transposed convolution that it equals when stride and kernel are the same.
    """
    cells = {"kernel_size": CELL, "strides": CELL, "kernel_initializer": "orthogonal"}
    image = keras.Input((patch, patch, inputs), name="image")
    x = layers.Conv2D(CELL * CELL, name="latent", **cells)(image)  # (7, 7, 16)
    x = layers.Conv2DTranspose(outputs, name="output", **cells)(x)  # (28, 28, 1)
    return keras.Model(image, x, name="subpixel")
