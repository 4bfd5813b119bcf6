"""`subpixel_bottleneck`: the latent of `subpixel` cut to a fraction by keeping the patch's low spatial frequencies.

Which numbers to keep is not learned but known: photographs hold most of their energy in low frequencies, everywhere and
in every direction. Dense layers that learn it instead move towards the principal components of the training patches,
which rebuild unseen photographs worse; so do residual convolutions after them, at several times the cost.
"""

from __future__ import annotations

import keras
from keras import layers

from stages.networks.layers import (
    CELL,
    FREQUENCIES,
    colour_to_gray,
    divided,
    gray_to_channels,
    low_frequencies,
    unwhitening,
    whitening,
)


def build(*, patch: int, inputs: int, outputs: int, latent_divisor: int) -> keras.Model:
    """The encoder of `subpixel`, its (pixels // `latent_divisor`) lowest frequencies, and the way back.

    Raises:
        ValueError: nothing would be left of the latent.
    """
    keep, spread = low_frequencies(patch, divided(patch, latent_divisor))
    image = keras.Input((patch, patch, inputs), name="image")

    # === Encoder ===
    x = whitening(inputs)(image)  # (7, 7, 48)
    x = colour_to_gray(inputs, name="colour")(x)  # (7, 7, 16)
    x = layers.Flatten(name="flatten")(x)  # (784,)
    x = keep(x)  # (261,)

    # === Decoder ===
    x = spread(x)  # (784,)
    x = layers.Reshape((patch // CELL, patch // CELL, FREQUENCIES), name="grid")(x)  # (7, 7, 16)
    x = gray_to_channels(outputs)(x)  # (7, 7, 16)
    x = unwhitening(outputs)(x)  # (28, 28, 1)
    return keras.Model(image, x, name="subpixel_bottleneck")
