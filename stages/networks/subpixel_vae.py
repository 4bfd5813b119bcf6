"""`subpixel_vae`: a variational autoencoder in the coordinates of `subpixel`.

The mean of its latent is the patch's lowest spatial frequencies, in units of what they usually are, so that it starts
near the prior N(0, 1). Colour, the variance of each number, and a residual block (He et al. 2016, arXiv:1512.03385)
that restores structure, are learned.
"""

from __future__ import annotations

import keras
from keras import layers

from stages.networks.layers import (
    CELL,
    FREQUENCIES,
    VAE,
    Sampling,
    colour_to_gray,
    gray_to_channels,
    low_frequencies,
    unwhitening,
    whitening,
)

WIDTH = 64  # channels inside the residual block
LOG_VARIANCE = -4.0  # at the start: the sample is near the mean


def build(*, patch: int, inputs: int, outputs: int, latent: int, sigma: float) -> keras.Model:
    """Low frequencies as means, learned variances, a residual block in the decoder.

    Raises:
        ValueError: there are not as many pixels as `latent`.
    """
    keep, spread = low_frequencies(patch, latent)

    # === Encoder ===
    image = keras.Input((patch, patch, inputs), name="image")
    x = whitening(inputs)(image)  # (7, 7, 48)
    x = colour_to_gray(inputs, name="colour")(x)  # (7, 7, 16)
    x = layers.Flatten(name="flatten")(x)  # (784,)
    z_mean = keep(x)  # (32,)
    start = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(LOG_VARIANCE)}
    z_log_var = layers.Dense(latent, name="log_variance", **start)(x)  # (32,)
    encoder = keras.Model(image, [z_mean, z_log_var], name="encoder")

    # === Decoder ===
    z = keras.Input((latent,), name="z")
    x = spread(z)  # (784,)
    x = layers.Reshape((patch // CELL, patch // CELL, FREQUENCIES), name="grid")(x)  # (7, 7, 16)
    y = layers.Conv2D(WIDTH, 3, padding="same", activation="relu", name="structure_1")(x)  # (7, 7, 64)
    y = layers.Conv2D(FREQUENCIES, 3, padding="same", kernel_initializer="zeros", name="structure_2")(y)  # (7, 7, 16)
    x = layers.Add(name="structure")([x, y])
    x = gray_to_channels(outputs)(x)  # (7, 7, 16)
    x = unwhitening(outputs)(x)  # (28, 28, 1)
    decoder = keras.Model(z, x, name="decoder")
    return VAE(encoder=encoder, sampling=Sampling(name="sampling"), decoder=decoder, sigma=sigma, name="subpixel_vae")
