"""`subpixel`: each 4 × 4 cell becomes 16 numbers, and 16 numbers become 4 × 4 gray pixels.

The latent has the size of that of `simple` (7 × 7 × 16 = 784 for 28-pixel patches), but nothing is pooled away: gray
is linear in colour, so linear patch convolutions can carry every gray pixel. What decides is the coordinates in which
they learn: between fixed transforms to and from whitened cosines, see `stages.networks.layers`.
"""

from __future__ import annotations

import keras

from stages.networks.layers import colour_to_gray, gray_to_channels, unwhitening, whitening


def build(*, patch: int, inputs: int, outputs: int) -> keras.Model:
    """A learned 1 × 1 convolution from whitened colour to 16 channels, and one from there to the whitened output."""
    image = keras.Input((patch, patch, inputs), name="image")

    # === Encoder ===
    x = whitening(inputs)(image)  # (7, 7, 48)
    x = colour_to_gray(inputs, name="latent")(x)  # (7, 7, 16)

    # === Decoder ===
    x = gray_to_channels(outputs)(x)  # (7, 7, 16)
    x = unwhitening(outputs)(x)  # (28, 28, 1)
    return keras.Model(image, x, name="subpixel")
