"""`bottleneck`: the latent of `simple` reduced to a fraction by a dense layer, "three colour channels become one".

The original does not run: it reshapes 784 // 3 = 261 values to 14 × 14 × 1 = 196. Here a dense layer maps them to
7 × 7 × 16, and two transposed convolutions rebuild the image.
"""

import keras
from keras import layers

from stages.networks.layers import pooled, transposed


def build(*, patch: int, inputs: int, outputs: int, latent_divisor: int, linear: int) -> keras.Model:
    """The encoder of `simple`, a dense latent of patch² // `latent_divisor` numbers, a transposed decoder.

    If `linear` is 0, the latent is rectified (ReLU) as in the original. `ValueError`: the latent would be empty.
    """
    if latent_divisor > patch**2:
        raise ValueError(f"latent_divisor is {latent_divisor}; for patches of {patch} it must be at most {patch**2}")
    image = keras.Input((patch, patch, inputs), name="image")
    x = pooled(image, last="pool_2")  # (7, 7, 16)
    x = layers.Flatten(name="flatten")(x)  # (784,)
    latent = patch**2 // latent_divisor
    x = layers.Dense(latent, activation=None if linear else "relu", name="latent")(x)  # (261,)
    x = transposed(x, patch, outputs)  # (28, 28, 1)
    return keras.Model(image, x, name="bottleneck")
