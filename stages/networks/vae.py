"""`vae`: a variational autoencoder with the encoder of `simple`; see `stages.networks.layers.VAE`."""

import keras
from keras import layers

from stages.networks.layers import VAE, Sampling, pooled, transposed


def build(*, patch: int, inputs: int, outputs: int, latent: int, sigma: float) -> keras.Model:
    """`latent` means and variances from a dense layer; `sigma` is the output noise that the loss assumes."""
    # === Encoder ===
    image = keras.Input((patch, patch, inputs), name="image")
    x = pooled(image, last="pool_2")  # (7, 7, 16)
    x = layers.Flatten(name="flatten")(x)  # (784,)
    z_mean = layers.Dense(latent, name="latent")(x)  # (32,)
    z_log_var = layers.Dense(latent, name="log_variance")(x)  # (32,)
    encoder = keras.Model(image, [z_mean, z_log_var], name="encoder")

    # === Decoder ===
    sampling = Sampling(name="sampling")
    z = keras.Input((latent,), name="z")
    decoder = keras.Model(z, transposed(z, patch, outputs), name="decoder")  # (28, 28, 1)
    return VAE(encoder, sampling, decoder, sigma)
