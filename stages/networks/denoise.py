"""`denoise`: damaged colour to clean gray, blind to how bad the damage is: a residual network at two resolutions.

It sees how damaged the photograph is, as `grayscale.damage` estimates it. Fine detail goes in divided by that level, so
that noise looks the same however strong it is; the correction of luma that comes out is multiplied by it, so that a
clean photograph is left alone.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from grayscale.conversions import BT601
from grayscale.damage import FULL, PLANES

SAME = {"kernel_size": 3, "padding": "same", "kernel_initializer": "he_normal"}
HALF = {"kernel_size": 2, "strides": 2}
SMALL = 1.9  # of a coefficient, in standard deviations of the noise
CELL = 4  # pixels on a side, from whose mean fine detail is the difference


def build(*, patch: int, inputs: int, outputs: int, channels: int, blocks: int) -> keras.Model:
    """Luma + (noise + blocking) · residual, from `channels` at half the resolution and twice as many at a quarter.

    There, `blocks` residual blocks of two convolutions see far (He et al. 2016, arXiv:1512.03385). Sub-pixels go in and
    come out (Shi et al. 2016, arXiv:1609.05158); that the level of the noise goes in, too, is from Zhang et al. 2018
    (arXiv:1710.04026).

    Raises:
        ValueError: it is not to see `colour_damage`.
    """
    if inputs != 3 + len(PLANES):
        raise ValueError("network denoise needs `input: colour_damage`")
    image = keras.Input((patch, patch, inputs), name="image")
    colour = _fixed(image, "colour", np.eye(inputs, 3))
    mean = layers.UpSampling2D(CELL, name="means")(layers.AveragePooling2D(CELL, name="mean")(colour))
    fine = layers.Subtract(name="fine")([colour, mean])
    fine = layers.Multiply(name="unit")([fine, _fixed(image, "gain", _column(inputs, gain=255))])  # of deviation 1
    shrunk = _shrunk(image, outputs)
    fine = layers.Activation("softsign", name="softsign")(fine)  # edges count little more than noise
    x = layers.Concatenate(name="seen")([fine, image])

    # === Encoder ===
    x = layers.Conv2D(channels, **{**SAME, "kernel_size": 6}, strides=2, activation="relu", name="encode_1")(x)
    skipped = layers.Conv2D(channels, activation="relu", name="encode_2", **SAME)(x)  # (14, 14, 32)
    x = layers.Conv2D(2 * channels, activation="relu", name="down", **HALF)(skipped)  # (7, 7, 64)
    for number in range(1, blocks + 1):
        inner = layers.Conv2D(2 * channels, activation="relu", name=f"block_{number}_1", **SAME)(x)
        inner = layers.Conv2D(2 * channels, name=f"block_{number}_2", **SAME)(inner)
        x = layers.Add(name="latent" if number == blocks else f"block_{number}")([x, inner])  # (7, 7, 64)

    # === Decoder ===
    x = layers.Conv2DTranspose(channels, name="up", **HALF)(x)  # (14, 14, 32)
    x = layers.Add(name="skip")([x, skipped])
    x = layers.Conv2D(channels, activation="relu", name="decode_1", **SAME)(x)
    x = layers.Conv2D(channels, activation="relu", name="decode_2", **SAME)(x)
    pixels = _fixed(fine, "pixels", np.eye(12).reshape(2, 2, 3, 12))  # (14, 14, 12)
    x = layers.Concatenate(name="decoded")([x, pixels])
    x = layers.Conv2DTranspose(outputs, kernel_initializer="zeros", name="residual", **HALF)(x)  # (28, 28, 1)
    x = layers.Add(name="noise")([x, shrunk])
    level = _fixed(image, "level", _column(inputs, luma_noise=FULL / 255, blocking=FULL / 255))
    x = layers.Multiply(name="correction")([x, level])
    luma = colour if outputs == 3 else _fixed(colour, "luma", np.transpose([BT601]))
    return keras.Model(image, layers.Add(name="output")([luma, x]), name="denoise")


def _shrunk(image: Any, outputs: int) -> Any:
    """Minus the noise that firm shrinkage takes from sliding cosine transforms, `(batch, h, w, outputs)`, in its unit.

    So the network starts as a good classical filter. Of 8 × 8 pixels at steps of 2, coefficients below `SMALL` are
    noise, above twice that none (Gao and Bruce 1997, Statistica Sinica 7; Yu and Sapiro 2011, IPOL 1).
    """
    inputs = image.shape[-1]
    weights = np.transpose([BT601]) if outputs == 1 else np.eye(3)
    gray = _fixed(image, "gray", np.concatenate([weights, np.zeros((inputs - 3, outputs))]))
    gray = layers.Multiply(name="gray_unit")([gray, _fixed(image, "gray_gain", _column(inputs, gain=255))])
    waves = np.kron(_cosines(8), _cosines(8)).reshape(64, 8, 8)[1:]  # the mean is left alone
    kernel = np.einsum("kij,oc->ijock", waves, np.eye(outputs)).reshape(8, 8, outputs, -1)
    sliding = {"kernel_size": 8, "strides": 2, "padding": "same", "use_bias": False, "trainable": False}
    forth = layers.Conv2D(63 * outputs, name="waves", **sliding)
    forth.build(gray.shape)
    forth.set_weights([kernel / SMALL])
    found = forth(gray)  # (14, 14, 63)
    inner = layers.Activation("hard_tanh", name="small")(found)
    outer = layers.Activation("hard_tanh", name="medium")(layers.Rescaling(0.5, name="halved")(found))
    back = layers.Conv2DTranspose(outputs, name="unwaves", **sliding)
    back.build(found.shape)
    back.set_weights([-2 * SMALL * kernel / 16])  # 16 transforms see each pixel
    return back(layers.Subtract(name="shrunk")([inner, outer]))


def _cosines(n: int) -> np.ndarray:
    """The orthonormal DCT-II (Ahmed, Natarajan and Rao 1974) of `n` values: `(frequency, position)`."""
    waves = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5))
    return waves * np.where(np.arange(n) == 0, 1, 2**0.5)[:, None] / n**0.5


def _column(inputs: int, **weights: float) -> np.ndarray:
    """Weights of the damage planes by name, `(inputs, 1)`; colour counts nothing."""
    return np.array([[0.0]] * 3 + [[weights.get(name, 0.0)] for name in PLANES])


def _fixed(image: Any, name: str, weights: np.ndarray) -> Any:
    """A convolution that does not learn, of pixels or of cells.

    `weights` are `(channels in, channels out)` or `(side, side, channels in, channels out)`.
    """
    kernel = weights if weights.ndim == 4 else weights[None, None]
    side, _, _, filters = kernel.shape
    layer = layers.Conv2D(filters, side, strides=side, use_bias=False, trainable=False, name=name)
    layer.build(image.shape)
    layer.set_weights([kernel])
    return layer(image)
