"""`vae`: the convolutional variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("grayscale")
class Sampling(layers.Layer):
    """Reparameterised sample z = z_mean + exp(z_log_var / 2) · ε, ε ~ N(0, 1); the mean itself when not training."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, parts: tuple[Any, Any], training: bool | None = None) -> Any:
        z_mean, z_log_var = parts
        if not training:
            return z_mean
        noise = keras.random.normal(ops.shape(z_mean), dtype=z_mean.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(z_log_var / 2) * noise

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0]


@keras.saving.register_keras_serializable("grayscale")
class VAE(keras.Model):
    """Encoder, sampling and decoder, trained on reconstruction + KL.

    The loss per image is the compiled reconstruction loss + (2 σ² / pixels) · KL nats. With mean squared error this is
    the negative evidence lower bound of a Gaussian output with standard deviation `sigma`, times 2 σ² / pixels, up to a
    constant; so the balance of the two terms does not change with the image size.
    """

    def __init__(self, *, patch: int, inputs: int, outputs: int, latent: int, sigma: float, **options: Any) -> None:
        super().__init__(**options)
        self.sizes = {"patch": patch, "inputs": inputs, "outputs": outputs, "latent": latent, "sigma": sigma}
        self.kl_weight = 2 * sigma**2 / (patch * patch * outputs)
        self.encoder = _encoder(patch, inputs, latent)
        self.sampling = Sampling(name="sampling")
        self.decoder = _decoder(patch, outputs, latent)
        self.total = keras.metrics.Mean(name="loss")
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")  # nats per image
        self.build((None, patch, patch, inputs))

    def build(self, input_shape: Any) -> None:
        self.sampling.build([(None, self.sizes["latent"])] * 2)
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        z_mean, z_log_var = self.encoder(images, training=training)
        return self.decoder(self.sampling([z_mean, z_log_var], training=training), training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        images, targets = data
        with tf.GradientTape() as tape:
            total, output = self._loss_and_output(images, targets, training=True)
        gradients = tape.gradient(total, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.compute_metrics(images, targets, output)

    def test_step(self, data: Any) -> dict[str, Any]:
        images, targets = data
        _, output = self._loss_and_output(images, targets, training=False)
        return self.compute_metrics(images, targets, output)

    def _loss_and_output(self, images: Any, targets: Any, *, training: bool) -> tuple[Any, Any]:
        """The batch's mean total loss and its output; the trackers weigh it by the batch's size."""
        z_mean, z_log_var = self.encoder(images, training=training)
        output = self.decoder(self.sampling([z_mean, z_log_var], training=training), training=training)
        reconstruction = self.compute_loss(images, targets, output)
        kl = ops.mean(kl_divergence(z_mean, z_log_var))
        total = reconstruction + self.kl_weight * kl
        size = ops.shape(images)[0]
        self.total.update_state(total, sample_weight=size)
        self.reconstruction.update_state(reconstruction, sample_weight=size)
        self.kl.update_state(kl, sample_weight=size)
        return total, output

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.sizes}


def kl_divergence(z_mean: Any, z_log_var: Any) -> Any:
    """KL(N(z_mean, exp z_log_var) ‖ N(0, 1)) in nats, `(batch, latent)` → `(batch,)`; Kingma and Welling 2014, B."""
    return -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=1)


def build(*, patch: int, inputs: int, outputs: int, latent: int, sigma: float) -> keras.Model:
    """The encoder of `simple` to `latent` means and variances, a transposed decoder, and the loss between them."""
    return VAE(patch=patch, inputs=inputs, outputs=outputs, latent=latent, sigma=sigma, name="vae")


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
