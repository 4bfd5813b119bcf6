"""What networks share: encoder and decoder of the plain ones, variational sampling and its loss, transforms of cells.

A model file loads wherever this module is imported; the networks' own files are needed to build one, never to load it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import scipy.fft
import tensorflow as tf
from keras import layers, ops

CELL = 4  # pixels on a side
VAE_PARTS = ("encoder", "sampling", "decoder")
FREQUENCIES = CELL * CELL  # of a cell, rows first
START = 0.1  # how far the first mixture of R, G and B may be from their mean, as a fraction of it
CONVOLUTION = {"kernel_size": 3, "padding": "same", "activation": "relu"}


def pooled(image: Any, last: str) -> Any:
    """The encoder of `simple`, `(batch, h, w, channels)` → `(batch, h / 4, w / 4, 16)`; `last` names its last layer."""
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


def divided(patch: int, divisor: int) -> int:
    """The size of a latent with one number for every `divisor` pixels; `ValueError` if nothing would be left."""
    if divisor > patch * patch:
        raise ValueError(f"latent_divisor is {divisor}; for patches of {patch} it must be at most {patch * patch}")
    return patch * patch // divisor


@keras.saving.register_keras_serializable("grayscale")
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
        """Like `z_mean`: a replica draws for the whole batch and takes its own part, as if there were no replicas."""
        replica = tf.distribute.get_replica_context()
        size, latent = ops.shape(z_mean)
        whole = (size * replica.num_replicas_in_sync, latent)
        noise = keras.random.normal(whole, dtype=z_mean.dtype, seed=self.seed_generator)
        return noise[replica.replica_id_in_sync_group * size :][:size]

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0]


@keras.saving.register_keras_serializable("grayscale")
class VAE(keras.Model):
    """A variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114), trained on reconstruction + KL.

    The loss per image is the compiled reconstruction loss + (2 σ² / pixels) · KL nats. With mean squared error this is
    the negative evidence lower bound of a Gaussian output with standard deviation `sigma`, times 2 σ² / pixels, up to a
    constant; so the balance of the two terms does not change with the image size.
    """

    def __init__(
        self, *, encoder: keras.Model, sampling: Sampling, decoder: keras.Model, sigma: float, **options: Any
    ) -> None:
        """Of an encoder, image → z_mean and z_log_var `(batch, latent)`, and a decoder, z `(batch, latent)` → image.

        `sigma` is in units of the image's range [0, 1].
        """
        super().__init__(**options)
        self.encoder, self.sampling, self.decoder, self.sigma = encoder, sampling, decoder, sigma
        self.kl_weight = 2 * sigma**2 / int(np.prod(decoder.output_shape[1:]))
        self.total = keras.metrics.Mean(name="loss")
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")  # nats per image
        self.build(encoder.input_shape)

    def build(self, input_shape: Any) -> None:
        self.sampling.build(self.encoder.output_shape)
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        z_mean, z_log_var = self.encoder(images, training=training)
        return self.decoder(self.sampling([z_mean, z_log_var], training=training), training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        images, targets = data
        with tf.GradientTape() as tape:
            total, output = self._loss_and_output(images, targets, training=True)
            scaled = self.optimizer.scale_loss(total / _replicas())  # whose gradients are summed
        gradients = tape.gradient(scaled, self.trainable_variables)
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
        reconstruction = self.compute_loss(images, targets, output) * _replicas()  # by which Keras divides
        kl = ops.mean(kl_divergence(*(ops.cast(part, reconstruction.dtype) for part in (z_mean, z_log_var))))
        total = reconstruction + self.kl_weight * kl
        size = ops.shape(images)[0]
        self.total.update_state(total, sample_weight=size)
        self.reconstruction.update_state(reconstruction, sample_weight=size)
        self.kl.update_state(kl, sample_weight=size)
        return total, output

    def inference(self) -> keras.Model:
        """Image → decoded mean, of the same variables, in layers of Keras alone: it loads where nothing of ours is."""
        image = keras.Input(self.encoder.input_shape[1:], dtype=self.encoder.input.dtype, name="image")
        z_mean, _ = self.encoder(image)
        return keras.Model(image, self.decoder(z_mean), name=self.name)

    def get_config(self) -> dict[str, Any]:
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in VAE_PARTS}
        return {"name": self.name, "sigma": self.sigma, **parts}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VAE:
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in VAE_PARTS}
        return cls(**{**config, **parts})


def _replicas() -> int:
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def kl_divergence(z_mean: Any, z_log_var: Any) -> Any:
    """KL(N(z_mean, exp z_log_var) ‖ N(0, 1)) in nats, `(batch, latent)` → `(batch,)`; Kingma and Welling 2014, B."""
    return -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=1)


def whitening(channels: int) -> keras.layers.Layer:
    """A fixed convolution with stride 4, image `(batch, h, w, channels)` → `(batch, h / 4, w / 4, 16 · channels)`.

    Each 4 × 4 cell becomes its cosine coefficients over rows, columns and channels, divided by the amplitude that they
    usually have in photographs. Neighbouring pixels, and the channels of a pixel, are so alike that the gradient of a
    detail, or of a tint, is thousands of times smaller than that of the mean and is learned last; these coordinates
    are nearly uncorrelated and of equal size, so that all are learned at once, and rounding differences do not grow.
    """
    basis, amplitude = _cosine_basis(channels)
    layer = layers.Conv2D(FREQUENCIES * channels, CELL, strides=CELL, padding="valid", trainable=False, name="whiten")
    kernel = basis / amplitude
    return _filled(layer, channels, kernel, -0.5 * kernel.sum(axis=(0, 1, 2)))  # middle gray becomes 0


def unwhitening(channels: int) -> keras.layers.Layer:
    """The inverse of `whitening`: a sub-pixel convolution (Shi et al. 2016, arXiv:1609.05158), fixed.

    It is written as the transposed convolution that a sub-pixel convolution equals when stride and kernel are the same.
    """
    basis, amplitude = _cosine_basis(channels)
    layer = layers.Conv2DTranspose(channels, CELL, strides=CELL, padding="valid", trainable=False, name="output")
    return _filled(layer, FREQUENCIES * channels, basis * amplitude, np.full(channels, 0.5))


def colour_to_gray(channels: int, name: str) -> keras.layers.Layer:
    """A learned 1 × 1 convolution from whitened `channels` to one: `(…, 16 · channels)` → `(…, 16)`.

    Each frequency starts from its own random mixture of the channels, within `START` of their mean.
    """
    layer = layers.Conv2D(FREQUENCIES, 1, name=name)
    mixture = keras.random.uniform((channels, FREQUENCIES), (1 - START) / channels, (1 + START) / channels)
    tints = _cosines(channels) @ keras.ops.convert_to_numpy(mixture)  # the same for tints instead of channels
    gain = tints.T * _tint_amplitude(channels)  # frequency × tint; a frequency's own amplitude cancels out
    kernel = np.einsum("fk,fg->fkg", gain, np.eye(FREQUENCIES)).reshape(1, 1, -1, FREQUENCIES)
    return _filled(layer, FREQUENCIES * channels, kernel, np.zeros(FREQUENCIES))


def gray_to_channels(channels: int) -> keras.layers.Layer:
    """A learned 1 × 1 convolution from one whitened channel to `channels`; it starts as a copy into each."""
    layer = layers.Conv2D(FREQUENCIES * channels, 1, name="mix")
    copy = np.sqrt(channels) * np.eye(channels)[0]  # the first tint is what all channels have in common
    kernel = np.einsum("fg,k->fgk", np.eye(FREQUENCIES), copy).reshape(1, 1, FREQUENCIES, -1)
    return _filled(layer, FREQUENCIES, kernel, np.zeros(FREQUENCIES * channels))


def _filled(layer: keras.layers.Layer, channels: int, *weights: np.ndarray) -> keras.layers.Layer:
    """The convolution, built for images of so many channels, with these weights."""
    layer.build((None, None, None, channels))
    layer.set_weights(weights)
    return layer


def low_frequencies(patch: int, latent: int) -> tuple[keras.layers.Layer, keras.layers.Layer]:
    """Fixed dense layers: all whitened cells of a gray patch → its `latent` lowest frequencies, whitened; and back.

    Frequencies are those of the patch as a whole, lowest sum of vertical and horizontal frequency first, as JPEG's
    zigzag orders them. Neighbouring cells share what is smooth across them: this is where a code can be shorter.

    Raises:
        ValueError: `latent` is not from 1 to the number of pixels.
    """
    if not 1 <= latent <= patch * patch:
        raise ValueError(f"the latent has {latent} numbers; a patch of {patch} pixels a side allows 1 to {patch**2}")
    cells = patch // CELL
    order = np.argsort(np.add.outer(np.arange(patch), np.arange(patch)).ravel(), kind="stable")[:latent]
    vertical, horizontal = np.divmod(order, patch)
    waves = np.einsum("li,lj->lij", _cosines(patch)[vertical], _cosines(patch)[horizontal])
    basis, amplitude = _cosine_basis(1)
    in_cells = np.einsum("laibj,ijf->labf", waves.reshape(latent, cells, CELL, cells, CELL), basis[:, :, 0])
    usual = _amplitude(patch, vertical + horizontal)
    encode = (in_cells * amplitude).reshape(latent, -1).T / usual
    decode = (in_cells / amplitude).reshape(latent, -1) * usual[:, None]
    keep = layers.Dense(latent, use_bias=False, trainable=False, name="latent")
    spread = layers.Dense(patch * patch, use_bias=False, trainable=False, name="spread")
    for layer, kernel in ((keep, encode), (spread, decode)):
        layer.build((None, kernel.shape[0]))
        layer.set_weights([kernel])
    return keep, spread


def _cosine_basis(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal cosines `(row, column, channel, coefficient)` of a cell, and each coefficient's usual amplitude."""
    space, tint = _cosines(CELL), _cosines(channels)
    basis = np.einsum("ui,vj,kc->ijcuvk", space, space, tint).reshape(CELL, CELL, channels, -1)
    frequency = np.add.outer(np.arange(CELL), np.arange(CELL))
    return basis, np.multiply.outer(_amplitude(CELL, frequency), _tint_amplitude(channels)).ravel()


def _amplitude(side: int, frequency: np.ndarray) -> np.ndarray:
    """Of a gray photograph's cosine coefficients, in a block of `side` pixels: inverse to frequency (Field 1987).

    The constants are those of the training photographs, roughly: root mean squares of 2.2, 0.23, 0.12 and 0.065 for
    frequencies 0, 1, 2 and 3 of 4 × 4 cells.
    """
    return side / 2 / (1 + 9 * frequency)


def _tint_amplitude(channels: int) -> np.ndarray:
    """Of the differences between channels, relative to what they share: `(channels,)`."""
    return 1 / (1 + 2.5 * np.arange(channels))


def _cosines(n: int) -> np.ndarray:
    """The orthonormal DCT-II (Ahmed, Natarajan and Rao 1974) of `n` values: `(frequency, position)`."""
    return scipy.fft.dct(np.eye(n), norm="ortho", axis=0)
