"""`simple`: the original convolutional autoencoder."""

import keras
from keras import layers

from stages.networks.layers import CONVOLUTION, pooled


def build(*, patch: int, inputs: int, outputs: int) -> keras.Model:
    """Two convolutions with max-pooling to a latent of (patch / 4)² × 16 numbers, and a decoder with upsampling."""
    image = keras.Input((patch, patch, inputs), name="image")
    x = pooled(image, last="latent")  # (7, 7, 16)

    # === Decoder ===
    x = layers.Conv2D(16, name="decode_1", **CONVOLUTION)(x)  # (7, 7, 16)
    x = layers.UpSampling2D(2, name="upsample_1")(x)  # (14, 14, 16)
    x = layers.Conv2D(32, name="decode_2", **CONVOLUTION)(x)  # (14, 14, 32)
    x = layers.UpSampling2D(2, name="upsample_2")(x)  # (28, 28, 32)
    x = layers.Conv2D(outputs, 3, padding="same", activation="sigmoid", name="output")(x)  # (28, 28, 1)
    return keras.Model(image, x, name="simple")


def reach() -> tuple[int, int]:
    """Cell and margin, see `stages.networks`."""
    return 4, 28
