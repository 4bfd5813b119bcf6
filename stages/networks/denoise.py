"""`denoise`: damaged colour to clean gray, blind to how bad the damage is: a filter, and a network that corrects it.

It sees how damaged the photograph is, as `grayscale.damage` estimates it. The filter, which is fixed, is a classical
one in sliding cosine transforms; a residual network at two resolutions learns what is still wrong. Whatever either
takes off is measured in units of the damage: a clean photograph is left alone.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from grayscale.damage import BLOCK, FULL, LUMA, PLANES, cosines

SAME = {"kernel_size": 3, "padding": "same", "kernel_initializer": "he_normal"}
HALF = {"kernel_size": 2, "strides": 2}
SMALL = 1.9  # of a coefficient, in standard deviations of the noise
AROUND = 5  # pixels on a side, from whose mean fine detail is the difference
BT601 = LUMA / 1000
MEAN = np.ones(3) / 3


def build(*, patch: int, inputs: int, outputs: int, channels: int, blocks: int) -> keras.Model:
    """Filtered luma + damage · residual, from `channels` at half the resolution and twice as many at a quarter.

    The filter works on the mean of the channels, in which white noise is weakest and most detail lies, and on luma's
    difference from it. At a quarter, `blocks` residual blocks of two convolutions see far (He et al. 2016,
    arXiv:1512.03385). Sub-pixels go in and come out (Shi et al. 2016, arXiv:1609.05158); that the level of the noise
    goes in, too, is from Zhang et al. 2018 (arXiv:1710.04026). Shapes are those of squares of 56 pixels, 16 channels.

    Raises:
        ValueError: it is to see something else than `colour_damage`, or to make something else than gray.
    """
    if inputs != 3 + len(PLANES) or outputs != 1:
        raise ValueError("network denoise needs `input: colour_damage` and `target: gray`")
    image = keras.Input((patch, patch, inputs), name="image")
    filtered, unit, level = _filtered(image)

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
    pixels = _fixed(unit, "pixels", np.eye(12).reshape(2, 2, 3, 12))  # (28, 28, 12)
    x = layers.Concatenate(name="decoded")([x, pixels])
    x = layers.Conv2DTranspose(1, kernel_initializer="zeros", name="residual", **HALF)(x)  # (56, 56, 1)
    x = layers.Multiply(name="correction")([x, level])
    return keras.Model(image, layers.Add(name="output")([filtered, x]), name="denoise")


def _filtered(image: Any) -> tuple[Any, Any, Any]:
    """Luma without what the filter takes for noise; the detail that it sees, in units of noise; and the level of it.

    Detail is `(patch, patch, 3)`: noise in the mean of the channels, noise in luma's difference from it, and what
    stands out from its surroundings in the mean.
    """
    gray, chroma = (
        layers.Multiply(name=f"{name}_unit")([
            _fixed(image, name, _column(colour)), _fixed(image, f"{name}_255", _column(**{f"{name}_gain": 255}))
        ])
        for name, colour in (("gray", MEAN), ("chroma", BT601 - MEAN))
    )  # fmt: skip
    first, waves = _shrunk(gray, "gray", strides=2)
    seen = _waves(layers.Subtract(name="pilot")([gray, first]), "pilot_waves", 1.0, strides=2)
    power = layers.Activation("softsign", name="wiener")(layers.Multiply(name="power")([seen, seen]))  # p² / (1 + p²)
    kept = layers.Multiply(name="kept")([waves, power])
    gray_noise = _unwaves(layers.Subtract(name="lost")([waves, kept]), "gray_noise", SMALL, strides=2)
    chroma_noise, _ = _shrunk(chroma, "chroma", strides=4)
    level = _fixed(image, "level", _column(gray=FULL / 255))
    taken = [
        layers.Multiply(name="gray_taken")([gray_noise, level]),
        layers.Multiply(name="chroma_taken")([
            chroma_noise, _fixed(image, "chroma_level", _column(chroma=FULL / 255))
        ]),
    ]  # fmt: skip
    luma = _fixed(image, "luma", _column(BT601))
    filtered = layers.Subtract(name="filtered")([luma, layers.Add(name="taken")(taken)])
    clean = layers.Subtract(name="clean")([gray, gray_noise])
    mean = layers.AveragePooling2D(AROUND, strides=1, padding="same", name="mean")(clean)
    fine = layers.Rescaling(1 / 4, name="quarter")(layers.Subtract(name="fine")([clean, mean]))
    fine = layers.Activation("softsign", name="softsign")(fine)  # edges count little more than noise
    unit = layers.Concatenate(name="unit")([gray_noise, chroma_noise, fine])
    return filtered, unit, level


def _shrunk(unit: Any, name: str, strides: int) -> tuple[Any, Any]:
    """The noise that firm shrinkage finds in a plane where it has deviation 1; and the coefficients, over `SMALL`.

    Of 8 × 8 pixels at steps of `strides`, coefficients below `SMALL` are noise, above twice that none (Gao and Bruce
    1997, Statistica Sinica 7; sliding transforms: Yu and Sapiro 2011, IPOL 1).
    """
    found = _waves(unit, f"{name}_waves", 1 / SMALL, strides)
    inner = layers.Activation("hard_tanh", name=f"{name}_small")(found)
    outer = layers.Activation("hard_tanh", name=f"{name}_medium")(layers.Rescaling(0.5, name=f"{name}_halved")(found))
    noise = layers.Subtract(name=f"{name}_shrunk")([inner, outer])
    return _unwaves(noise, f"{name}_first" if name == "gray" else f"{name}_noise", 2 * SMALL, strides), found


def _waves(plane: Any, name: str, scale: float, strides: int) -> Any:
    """Sliding cosine transforms of a plane, `scale` times the 63 coefficients that are no mean."""
    layer = layers.Conv2D(
        BLOCK**2 - 1, BLOCK, strides=strides, padding="same", use_bias=False, trainable=False, name=name
    )  # fmt: skip
    layer.build(plane.shape)
    layer.set_weights([scale * _kernel()])
    return layer(plane)


def _unwaves(waves: Any, name: str, scale: float, strides: int) -> Any:
    """The plane of sliding cosine transforms, `scale` times; each pixel the mean of all that see it."""
    layer = layers.Conv2DTranspose(
        1, BLOCK, strides=strides, padding="same", use_bias=False, trainable=False, name=name
    )  # fmt: skip
    layer.build(waves.shape)
    layer.set_weights([scale * (strides / BLOCK) ** 2 * _kernel()])
    return layer(waves)


def _kernel() -> np.ndarray:
    """Cosine transforms of 8 × 8 values without the mean: `(8, 8, 1, 63)`."""
    return np.einsum("ui,vj->ijuv", cosines(), cosines()).reshape(BLOCK, BLOCK, 1, BLOCK**2)[..., 1:]


def _column(colour: Any = (0.0, 0.0, 0.0), **planes: float) -> np.ndarray:
    """Weights of the channels that the network sees, the damage planes by name: `(inputs, 1)`."""
    return np.array([*colour, *(planes.get(name, 0.0) for name in PLANES)])[:, None]


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
