"""`denoise`: damaged colour to clean gray by a fixed filter, a learned correction and a fixed mean of alike pixels.

The damage is estimated by `grayscale.damage`. The filter works in sliding cosine transforms; a residual network at two
resolutions corrects its output. All scale with the damage, so a clean photograph is not changed.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from grayscale.damage import BLOCK, FULL, LUMA, PLANES, cosines

SAME = {"kernel_size": 3, "padding": "same", "kernel_initializer": "he_normal"}
HALF = {"kernel_size": 2, "strides": 2}
SMALL = {"gray": 2.0, "chroma": 2.8}  # of a coefficient, in standard deviations of the noise
AROUND = 5  # pixels on a side of the mean that is subtracted to get fine detail
NEIGHBOURS = (2, 5)  # pixels between a pixel and the eight neighbours at that distance that it may be averaged with
AROUND_THEM = 3  # pixels on a side of the surroundings by which a pixel and a neighbour are compared
STRONG = 2  # gray levels of damage at which half of the correction is applied; in weak damage the filter is better
ALIKE = 0.7  # mean square of their difference from which a neighbour does not count, in variances of the noise
BT601 = LUMA / 1000
MEAN = np.ones(3) / 3


def build(*, patch: int, inputs: int, outputs: int, channels: int, blocks: int) -> keras.Model:
    """Filtered luma + trust · damage · residual, averaged over alike pixels; the residual is what is learned.

    It has `channels` features at half the resolution and twice as many at a quarter. The filter works on the mean of
    the channels, in which white noise is weakest, and on luma minus that mean. At a quarter of the resolution are
    `blocks` residual blocks of two convolutions (He et al. 2016, arXiv:1512.03385). Input and output are sub-pixels
    (Shi et al. 2016, arXiv:1609.05158); the noise level is an input as in Zhang et al. 2018 (arXiv:1710.04026). Shapes
    below are for 56 pixels and 16 channels.

    `ValueError`: the input is not `colour_damage`, or the output is not gray.
    """
    if inputs != 3 + len(PLANES) or outputs != 1:
        raise ValueError("network denoise needs `input: colour_damage` and `target: gray`")
    image = keras.Input((patch, patch, inputs), name="image")
    filtered, unit, level, gain = _filtered(image)

    # === Encoder ===
    x = layers.Concatenate(name="seen")([unit, filtered, image])
    x = layers.Conv2D(channels, **{**SAME, "kernel_size": 6}, strides=2, activation="relu", name="encode_1")(x)
    skipped = layers.Conv2D(channels, activation="relu", name="encode_2", **SAME)(x)  # (28, 28, 16)
    x = layers.Conv2D(2 * channels, activation="relu", name="down", **HALF)(skipped)  # (14, 14, 32)
    for number in range(1, blocks + 1):
        inner = layers.Conv2D(2 * channels, activation="relu", name=f"block_{number}_1", **SAME)(x)
        inner = layers.Conv2D(
            2 * channels, name=f"block_{number}_2", **{**SAME, "kernel_initializer": "zeros"}
        )(inner)  # fmt: skip
        x = layers.Add(name="latent" if number == blocks else f"block_{number}")([x, inner])

    # === Decoder ===
    x = layers.Conv2DTranspose(channels, name="up", **HALF)(x)  # (28, 28, 16)
    x = layers.Add(name="skip")([x, skipped])
    x = layers.Conv2D(channels, activation="relu", name="decode_1", **SAME)(x)
    x = layers.Conv2D(channels, activation="relu", name="decode_2", **SAME)(x)
    pixels = _fixed(unit, "pixels", np.eye(12).reshape(2, 2, 3, 12), strides=2)  # (28, 28, 12)
    x = layers.Concatenate(name="decoded")([x, pixels])
    x = layers.Conv2DTranspose(1, kernel_initializer="zeros", name="residual", **HALF)(x)  # (56, 56, 1)
    strength = layers.Rescaling(255 / STRONG, name="strength")(level)
    trust = layers.Activation("softsign", name="trust")(layers.Multiply(name="squared")([strength, strength]))
    x = layers.Multiply(name="correction")([x, level, trust])
    x = layers.Add(name="corrected")([filtered, x])

    # === Mean of alike pixels ===
    x = layers.Add(name="output")([x, layers.Multiply(name="change")([_alike(x, gain), level])])
    return keras.Model(image, x, name="denoise")


def reach(*, blocks: int, **_: int) -> tuple[int, int]:
    """Cell and margin, see `stages.networks`."""
    return 4, 64 + 16 * blocks


def _filtered(image: Any) -> tuple[Any, Any, Any, Any]:
    """Filtered luma; features `(patch, patch, 3)` in units of noise; the noise level, and its inverse.

    Features: noise in the mean of the channels, noise in luma minus that mean, and fine detail of the mean.
    """
    gray_gain = _fixed(image, "gray_255", _column(gray_gain=255))
    gray = layers.Multiply(name="gray_unit")([_fixed(image, "gray", _column(MEAN)), gray_gain])
    chroma = layers.Multiply(name="chroma_unit")([
        _fixed(image, "chroma", _column(BT601 - MEAN)), _fixed(image, "chroma_255", _column(chroma_gain=255))
    ])  # fmt: skip
    first, waves = _shrunk(gray, "gray", strides=2)
    seen = _waves(layers.Subtract(name="pilot")([gray, first]), "pilot_waves", 1.0, strides=2)
    power = layers.Activation("softsign", name="wiener")(layers.Multiply(name="power")([seen, seen]))  # p² / (1 + p²)
    kept = layers.Multiply(name="kept")([waves, power])
    gray_noise = _unwaves(layers.Subtract(name="lost")([waves, kept]), "gray_noise", SMALL["gray"], strides=2)
    chroma_noise, _ = _shrunk(chroma, "chroma", strides=4)
    level = _fixed(image, "level", _column(gray=FULL / 255))
    chroma_level = _fixed(image, "chroma_level", _column(chroma=FULL / 255))
    taken = [
        layers.Multiply(name="gray_taken")([gray_noise, level]),
        layers.Multiply(name="chroma_taken")([chroma_noise, chroma_level]),
    ]
    luma = _fixed(image, "luma", _column(BT601))
    filtered = layers.Subtract(name="filtered")([luma, layers.Add(name="taken")(taken)])
    clean = layers.Subtract(name="clean")([gray, gray_noise])
    smooth = layers.AveragePooling2D(AROUND, strides=1, padding="same", name="smooth")(clean)
    fine = layers.Rescaling(1 / 4, name="quarter")(layers.Subtract(name="fine")([clean, smooth]))
    fine = layers.Activation("softsign", name="softsign")(fine)  # limits edges
    unit = layers.Concatenate(name="unit")([gray_noise, chroma_noise, fine])
    return filtered, unit, level, gray_gain


def _alike(gray: Any, gain: Any) -> Any:
    """The change of gray to a mean with neighbours whose surroundings are alike, in units of noise.

    Non-local means (Buades, Coll and Morel 2005, SIAM MMS 4:2) with few neighbours. A weight falls in a straight line
    to 0 at `ALIKE`. The weights are not normalised, which would take longer than all of this and change little.
    """
    unit = layers.Multiply(name="alike_unit")([gray, gain])
    offsets = np.delete(np.eye(9), 4, axis=1).reshape(3, 3, 1, 8)
    offsets[1, 1] = -1  # differences from the pixel in the middle
    steps = [_fixed(unit, f"steps_{far}", offsets, dilation_rate=far, padding="same") for far in NEIGHBOURS]
    found = layers.Concatenate(name="steps")(steps)  # (56, 56, 16)
    squares = layers.Multiply(name="squares")([found, found])
    unlike = layers.AveragePooling2D(AROUND_THEM, strides=1, padding="same", name="unlike")(squares)
    weights = layers.ReLU(name="weights")(layers.Rescaling(-1 / ALIKE, offset=1, name="likeness")(unlike))
    share = np.full((found.shape[-1], 1), 1 / (found.shape[-1] + 1))
    return _fixed(layers.Multiply(name="weighted")([weights, found]), "moved", share)


def _shrunk(unit: Any, name: str, strides: int) -> tuple[Any, Any]:
    """The noise found by firm shrinkage in a plane with noise of deviation 1; and the coefficients, over `SMALL`.

    In blocks of 8 × 8 pixels at steps of `strides`, coefficients below `SMALL` are noise, those above twice that are
    not (Gao and Bruce 1997, Statistica Sinica 7; sliding transforms: Yu and Sapiro 2011, IPOL 1).
    """
    small = SMALL[name]
    found = _waves(unit, f"{name}_waves", 1 / small, strides)
    inner = layers.Activation("hard_tanh", name=f"{name}_small")(found)
    outer = layers.Activation("hard_tanh", name=f"{name}_medium")(layers.Rescaling(0.5, name=f"{name}_halved")(found))
    noise = layers.Subtract(name=f"{name}_shrunk")([inner, outer])
    return _unwaves(noise, f"{name}_first" if name == "gray" else f"{name}_noise", 2 * small, strides), found


def _waves(plane: Any, name: str, scale: float, strides: int) -> Any:
    """Sliding cosine transforms of a plane: `scale` times the 63 coefficients without the mean."""
    return _fixed(plane, name, scale * _kernel(), strides=strides, padding="same")


def _unwaves(waves: Any, name: str, scale: float, strides: int) -> Any:
    """The inverse of `_waves`, `scale` times: each pixel is the mean over all blocks that contain it."""
    kernel = scale * (strides / BLOCK) ** 2 * _kernel()
    return _fixed(waves, name, kernel, layers.Conv2DTranspose, strides=strides, padding="same")


def _kernel() -> np.ndarray:
    """Cosine transforms of 8 × 8 values without the mean: `(8, 8, 1, 63)`."""
    return np.einsum("ui,vj->ijuv", cosines(), cosines()).reshape(BLOCK, BLOCK, 1, BLOCK**2)[..., 1:]


def _column(colour: Any = (0.0, 0.0, 0.0), **planes: float) -> np.ndarray:
    """Weights of the input channels, damage planes by name: `(inputs, 1)`."""
    return np.array([*colour, *(planes.get(name, 0.0) for name in PLANES)])[:, None]


def _fixed(image: Any, name: str, weights: np.ndarray, kind: type = layers.Conv2D, **options: Any) -> Any:
    """A fixed convolution without bias, by `(channels in, channels out)` or a kernel in Keras's order of axes."""
    kernel = weights if weights.ndim == 4 else weights[None, None]
    filters = kernel.shape[3 if kind is layers.Conv2D else 2]
    layer = kind(filters, kernel.shape[:2], name=name, use_bias=False, trainable=False, **options)
    layer.build(image.shape)
    layer.set_weights([kernel])
    return layer(image)
