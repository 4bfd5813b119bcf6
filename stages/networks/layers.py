"""Shared parts of networks: convolutional encoder and decoder, variational sampling and its loss."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

ROUNDING = 1 / 12 / 255**2  # mean squared error of rounding to 8 bits
CONVOLUTION = {"kernel_size": 3, "padding": "same", "activation": "relu"}


def pooled(image: Any, last: str) -> Any:
    """The encoder of `simple`, `(batch, h, w, channels)` → `(batch, h / 4, w / 4, 16)`; `last` names the last layer."""
    x = layers.Conv2D(32, name="encode_1", **CONVOLUTION)(image)  # (28, 28, 32)
    x = layers.MaxPooling2D(2, name="pool_1")(x)  # (14, 14, 32)
    x = layers.Conv2D(16, name="encode_2", **CONVOLUTION)(x)  # (14, 14, 16)
    return layers.MaxPooling2D(2, name=last)(x)  # (7, 7, 16)


def transposed(code: Any, patch: int, outputs: int) -> Any:
    """A decoder of stride-2 transposed convolutions, `(batch, n)` → `(batch, patch, patch, outputs)`."""
    cells, stride = patch // 4, {"kernel_size": 3, "strides": 2, "padding": "same"}
    x = layers.Dense(cells * cells * 16, activation="relu", name="spread")(code)  # (784,)
    x = layers.Reshape((cells, cells, 16), name="grid")(x)  # (7, 7, 16)
    x = layers.Conv2DTranspose(32, activation="relu", name="decode_1", **stride)(x)  # (14, 14, 32)
    return layers.Conv2DTranspose(outputs, activation="sigmoid", name="output", **stride)(x)  # (28, 28, 1)


class Sampling(keras.layers.Layer):
    """Reparameterised sample z = z_mean + exp(z_log_var / 2) · ε, ε ~ N(0, 1); the mean itself when not training."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, parts: tuple[Any, Any], training: bool | None = None) -> Any:
        z_mean, z_log_var = parts
        if not training:
            return z_mean
        return z_mean + ops.exp(z_log_var / 2) * self._noise(z_mean)

    def _noise(self, z_mean: Any) -> Any:
        """Noise of the shape of `z_mean`. Each replica draws for the whole batch: replicas change no sample."""
        replica = tf.distribute.get_replica_context()
        size, latent = ops.shape(z_mean)
        whole = (size * replica.num_replicas_in_sync, latent)
        noise = keras.random.normal(whole, dtype=z_mean.dtype, seed=self.seed_generator)
        return noise[replica.replica_id_in_sync_group * size :][:size]


class VAE(keras.Model):
    """A variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114); save its `inference`.

    The loss per image is the compiled reconstruction loss + (2 σ² / pixels) · KL nats. With mean squared error this is
    2 σ² / pixels times the negative evidence lower bound of a Gaussian output with standard deviation `sigma`, up to a
    constant, so that the balance of the terms does not depend on the image size.
    """

    def __init__(self, encoder: keras.Model, sampling: Sampling, decoder: keras.Model, sigma: float) -> None:
        """The encoder maps images to z_mean and z_log_var `(batch, latent)`; `sigma` is a fraction of full scale."""
        super().__init__(name="vae")
        self.encoder, self.sampling, self.decoder = encoder, sampling, decoder
        self.kl_weight = 2 * sigma**2 / int(np.prod(decoder.output_shape[1:]))
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")  # nats per image
        self.build(encoder.input_shape)

    def build(self, input_shape: Any) -> None:
        self.sampling.build(self.encoder.output_shape)
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        self.code = self.encoder(images, training=training)  # z_mean and z_log_var, for the loss
        return self.decoder(self.sampling(self.code, training=training), training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """A replica's share of the total loss, as Keras sums the gradients of replicas."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        reconstruction = super().compute_loss(x, y, y_pred, sample_weight, training) * replicas  # Keras divides by it
        kl = ops.mean(kl_divergence(*(ops.cast(part, reconstruction.dtype) for part in self.code)))
        size = ops.shape(x)[0]
        self.reconstruction.update_state(reconstruction, sample_weight=size)
        self.kl.update_state(kl, sample_weight=size)
        return (reconstruction + self.kl_weight * kl) / replicas

    def inference(self) -> keras.Model:
        """Image → decoded mean, with the same variables, in layers of Keras: it loads without this repository."""
        image = keras.Input(self.encoder.input_shape[1:], dtype=self.encoder.input.dtype, name="image")
        z_mean, _ = self.encoder(image)
        return keras.Model(image, self.decoder(z_mean), name=self.name)


def kl_divergence(z_mean: Any, z_log_var: Any) -> Any:
    """KL(N(z_mean, exp z_log_var) ‖ N(0, 1)) in nats, `(batch, latent)` → `(batch,)`; Kingma and Welling 2014, B."""
    return -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=1)
