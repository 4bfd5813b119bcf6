"""`vae`: the encoder of `simple` to means and variances, and a transposed decoder; see `stages.networks.layers.VAE`."""

from __future__ import annotations

import keras
from keras import layers

from stages.networks.layers import VAE, Sampling


def build(*, patch: int, inputs: int, outputs: int, latent: int, sigma: float) -> keras.Model:
    """A dense latent of `latent` means and variances; `sigma` is the output noise that the loss assumes."""
    encoder = _encoder(patch, inputs, latent)
    sampling = Sampling(name="sampling")
    decoder = _decoder(patch, outputs, latent)
    return VAE(encoder=encoder, sampling=sampling, decoder=decoder, sigma=sigma, name="vae")


def _encoder(patch: int, inputs: int, latent: int) -> keras.Model:
    """Image → z_mean and z_log_var, `(batch, latent)` each."""
    conv = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    image = keras.Input((patch, patch, inputs), name="image")
    x = layers.Conv2D(32, name="encode_1", **conv)(image)  # (28, 28, 32)
    x = layers.MaxPooling2D(2, name="pool_1")(x)  # (14, 14, 32)
    x = layers.Conv2D(16, name="encode_2", **conv)(x)  # (14, 14, 16)
    x = layers.MaxPooling2D(2, name="pool_2")(x)  # (7, 7, 16)
    x = layers.Flatten(name="flatten")(x)  # (784,)
    z_mean = layers.Dense(latent, name="latent")(x)  # (32,)
    z_log_var = layers.Dense(latent, name="log_variance")(x)  # (32,)
    return keras.Model(image, [z_mean, z_log_var], name="encoder")


def _decoder(patch: int, outputs: int, latent: int) -> keras.Model:
    """z `(batch, latent)` → image."""
    cells = patch // 4
    transposed = {"kernel_size": 3, "strides": 2, "padding": "same"}
    z = keras.Input((latent,), name="z")
    x = layers.Dense(cells * cells * 16, activation="relu", name="spread")(z)  # (784,)
    x = layers.Reshape((cells, cells, 16), name="grid")(x)  # (7, 7, 16)
    x = layers.Conv2DTranspose(32, activation="relu", name="decode_1", **transposed)(x)  # (14, 14, 32)
    x = layers.Conv2DTranspose(outputs, activation="sigmoid", name="output", **transposed)(x)  # (28, 28, 1)
    return keras.Model(z, x, name="decoder")
