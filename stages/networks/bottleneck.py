"""`bottleneck`: the latent of `simple` cut to a fraction by a dense layer, "three colour channels become one".

As first published it cannot run: it reshapes 784 // 3 = 261 values to 14 × 14 × 1 = 196, and two stride-2 layers after
that would give 56 × 56. Here a dense layer spreads the 261 numbers over the 7 × 7 × 16 grid that the encoder ended
with, and two stride-2 transposed convolutions (32 filters, then 1 with sigmoid) rebuild the image from there.
"""

from __future__ import annotations

import keras
from keras import layers


def build(*, patch: int, inputs: int, outputs: int, latent_divisor: int) -> keras.Model:
    """The encoder of `simple`, a dense ReLU latent of (its size // `latent_divisor`) numbers, a transposed decoder.

    Raises:
        ValueError: nothing would be left of the latent.
    """
    # === Layers ===
    cells = patch // 4
    latent = cells * cells * 16 // latent_divisor
    if latent == 0:
        raise ValueError(
            f"latent_divisor is {latent_divisor}; for patches of {patch} it must be at most {cells * cells * 16}"
        )
    conv = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    transposed = {"kernel_size": 3, "strides": 2, "padding": "same"}
    image = keras.Input((patch, patch, inputs), name="image")

    # === Encoder ===
    x = layers.Conv2D(32, name="encode_1", **conv)(image)  # (28, 28, 32)
    x = layers.MaxPooling2D(2, name="pool_1")(x)  # (14, 14, 32)
    x = layers.Conv2D(16, name="encode_2", **conv)(x)  # (14, 14, 16)
    x = layers.MaxPooling2D(2, name="pool_2")(x)  # (7, 7, 16)
    x = layers.Flatten(name="flatten")(x)  # (784,)
    x = layers.Dense(latent, activation="relu", name="latent")(x)  # (261,)

    # === Decoder ===
    x = layers.Dense(cells * cells * 16, activation="relu", name="spread")(x)  # (784,)
    x = layers.Reshape((cells, cells, 16), name="grid")(x)  # (7, 7, 16)
    x = layers.Conv2DTranspose(32, activation="relu", name="decode_1", **transposed)(x)  # (14, 14, 32)
    x = layers.Conv2DTranspose(outputs, activation="sigmoid", name="output", **transposed)(x)  # (28, 28, 1)
    return keras.Model(image, x, name="bottleneck")
