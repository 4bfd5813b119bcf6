"""Faster 3 × 3 convolutions of images that were doubled by repetition: the same function of the same variables.

The doubled image has each pixel four times. Instead, the kernel is summed for each of the four positions of an output
pixel in a doubled one, and the four outputs of the small image are interleaved (Shi et al. 2016, arXiv:1609.07009).
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

# (position of the output row, row of the kernel, row of the small image from the one above). An output row at position
# 0 sees the row above once and its own row twice.
ROWS = np.array([[[1, 0, 0], [0, 1, 0], [0, 1, 0]], [[0, 1, 0], [0, 1, 0], [0, 0, 1]]])


def computed_small(model: keras.Model) -> keras.Model:
    """A faster form of `model` with the same variables, or `model` itself if it has no such convolution.

    Sums are in another order, so results differ in their last bits.
    """
    if not any(_doubles(layer) for layer in model.layers):
        return model
    doubled: dict[int, tuple[Any, Any]] = {}  # id of an output → the output, which keeps the id in use, and its input

    def call(layer: keras.Layer, image: Any, *others: Any, **options: Any) -> Any:
        if _is_plain(layer) and id(image) in doubled:
            return SmallConvolution(layer)(doubled[id(image)][1])
        output = layer(image, *others, **options)
        if _doubles(layer):
            doubled[id(output)] = output, image
        return output

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


class SmallConvolution(keras.layers.Layer):
    """Doubling and a 3 × 3 `Conv2D`, with its variables: `(n, h, w, channels)` → `(n, 2h, 2w, filters)`."""

    def __init__(self, convolution: keras.layers.Conv2D) -> None:
        super().__init__(name=f"small_{convolution.name}", dtype=convolution.dtype_policy)
        self.convolution = convolution

    def build(self, shape: Any) -> None:
        self.built = True

    def call(self, image: Any) -> Any:
        kernel = tf.convert_to_tensor(self.convolution.kernel)  # (3, 3, channels, filters)
        rows = tf.constant(ROWS, kernel.dtype)
        places = tf.einsum("aki,bml,kmcf->ilcabf", rows, rows, kernel)  # (3, 3, channels, 2, 2, filters)
        places = tf.reshape(places, (3, 3, kernel.shape[2], -1))
        output = tf.nn.depth_to_space(tf.nn.conv2d(image, places, 1, "SAME"), 2)
        if self.convolution.use_bias:
            output = output + tf.convert_to_tensor(self.convolution.bias)
        return self.convolution.activation(output)


def _doubles(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.UpSampling2D) and (
        (layer.size, layer.interpolation, layer.data_format) == ((2, 2), "nearest", "channels_last")
    )


def _is_plain(layer: keras.Layer) -> bool:
    """Is it a 3 × 3 convolution that can be computed small?"""
    return type(layer) is keras.layers.Conv2D and (
        (layer.kernel_size, layer.strides, layer.dilation_rate) == ((3, 3), (1, 1), (1, 1))
        and (layer.padding, layer.groups, layer.data_format) == ("same", 1, "channels_last")
    )
