"""Rebuilds fully convolutional networks for images of any size, and finds their stride and receptive field."""

import math
from typing import Any, NamedTuple

import keras
from keras import layers

WINDOWS = (
    layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.MaxPooling2D,
    layers.AveragePooling2D,
)  # fmt: skip
POINTWISE = (
    layers.Activation, layers.ReLU, layers.LeakyReLU, layers.BatchNormalization, layers.Rescaling, layers.Dropout,
    layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Concatenate,
)  # fmt: skip
OPERATIONS = ("Add", "Subtract", "Multiply", "Clip", "Relu", "Sigmoid", "DepthToSpace", "SpaceToDepth")  # `x + y`, say


class Reach(NamedTuple):
    """Stride and receptive field of a fully convolutional network, pixels."""

    cell: int  # total stride, which must divide height and width: 4 if the image is halved twice
    margin: int  # an upper bound of the radius of the receptive field, a multiple of `cell`


def any_size(model: keras.Model) -> tuple[keras.Model, Reach] | None:
    """The same network for images whose sides are multiples of the cell; None if it is not fully convolutional.

    It is not if it has a dense latent, crops the image, or has a layer or operation that is not listed above. A window
    of k × k adds at most k − 1 to the radius, in pixels of the finer of the layer's input and output.
    """
    if not hasattr(model, "operations"):
        return None
    side, cell, local = model.input_shape[1], 1, True
    seen: dict[int, tuple[Any, int]] = {}  # id of a value → the value, which keeps the id in use, and its radius

    def look(layer: Any, *given: Any, **options: Any) -> Any:
        nonlocal cell, local
        made = layer(*given, **options)
        values = [value for value in keras.tree.flatten((given, options, made)) if getattr(value, "shape", ())]
        images = [value for value in values if keras.utils.is_keras_tensor(value) and len(value.shape) == 4]
        sizes = {size for image in images for size in image.shape[1:3]}
        window = _window(layer)
        if window is None or len(images) < len(values) or any(side % size for size in sizes):
            local = False
        elif local:
            cell = math.lcm(cell, *(side // size for size in sizes))
            margin = max(seen[id(image)][1] if id(image) in seen else 0 for image in images)
            margin += (window - 1) * (side // max(sizes))
            seen[id(made)] = made, margin
        return made

    keras.models.clone_model(model, call_function=look)
    if not local:
        return None
    image = keras.Input((None, None, model.input_shape[-1]), dtype=model.input.dtype, name="image")
    free = keras.models.clone_model(model, input_tensors=image)
    free.set_weights(model.get_weights())
    margin = max(margin for _, margin in seen.values())
    return free, Reach(cell, -(-margin // cell) * cell)


def _window(layer: Any) -> int | None:
    """Side of the window of a layer on its finer side; None if it may see the whole image."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if type(layer) in WINDOWS:
        kernel = getattr(layer, "kernel_size", None) or layer.pool_size
        if layer.padding != "same" and tuple(kernel) != tuple(layer.strides):
            return None
        return (max(kernel) - 1) * max(getattr(layer, "dilation_rate", (1,))) + 1
    if type(layer) is layers.UpSampling2D:  # Keras can trace only "nearest" without a size
        return max(layer.size) if layer.interpolation == "nearest" else None
    if type(layer) in POINTWISE:
        return 1 if getattr(layer, "axis", -1) in (-1, 3) else None
    return getattr(layer, "block_size", 1) if type(layer).__name__ in OPERATIONS else None
