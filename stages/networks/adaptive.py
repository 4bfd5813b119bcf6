"""`adaptive`: each patch keeps the cosine coefficients of the best of several learned sets.

A linear code keeps the same coefficients of every patch. This encoder has several sets of coefficients, uses the one
with most energy of the patch, and adds its index to the code: `latent` − 1 coefficients and one index. It is adaptive
transform coding by classes (Chen and Smith 1977, IEEE Transactions on Communications 25:11), with learned classes.

The cosine transform is fixed, and the transpose of each set is also a set. The mixture of red, green and blue is
learned, starting from the mean, and so are the sets. They start as the lowest frequencies by radius plus some noise,
and specialise by competition: a patch changes only the set that it uses.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stages.networks.layers import ROUNDING

NOISE = 0.02  # standard deviation of the scores' noise at the start
SOFTNESS = 0.2  # of the edge of a set in training, in units of its scores
PACE = 20  # factor on the learning rate of the scores
TINT = 3.5  # gain of the differences between channels, which makes them about as large as the mean of the channels


def build(*, patch: int, inputs: int, outputs: int, latent: int, sets: int) -> "Adaptive":
    """The network for training; use `Adaptive.inference` afterwards. `ValueError`: `latent` is not 2 to patch²."""
    if not 2 <= latent <= patch * patch:
        raise ValueError(f"latent is {latent}; for patches of {patch} it must be 2 to {patch**2}")
    cosines = _cosines(patch)
    image = keras.Input((patch, patch, inputs), name="image")

    # === Encoder ===
    tints = (_cosines(inputs).T * np.where(np.arange(inputs) == 0, 1, TINT))[None, None]
    mean = np.eye(inputs)[None, None, :, :1] / inputs**0.5
    x = _fixed(layers.Conv2D(inputs, 1, use_bias=False, name="tints"), tints)(image)  # (28, 28, 3)
    x = _filled(layers.Conv2D(1, 1, use_bias=False, name="gray"), mean)(x)  # (28, 28, 1)
    x = layers.Reshape((patch, patch), name="pixels")(x)
    x = _fixed(layers.Dense(patch, use_bias=False, name="cosines_1"), cosines.T)(x)
    x = layers.Permute((2, 1), name="turn_1")(x)
    x = _fixed(layers.Dense(patch, use_bias=False, name="cosines_2"), cosines.T)(x)
    x = layers.Flatten(name="coefficients")(x)  # (784,)
    x = Choice(sets, latent - 1, name="choice")(x)  # (784,)

    # === Decoder ===
    x = layers.Reshape((patch, patch), name="grid")(x)
    x = _fixed(layers.Dense(patch, use_bias=False, name="waves_1"), cosines)(x)
    x = layers.Permute((2, 1), name="turn_2")(x)
    x = _fixed(layers.Dense(patch, use_bias=False, name="waves_2"), cosines)(x)
    x = layers.Reshape((patch, patch, 1), name="luminance")(x)  # (28, 28, 1)
    x = layers.Concatenate(name="output")([x] * outputs) if outputs > 1 else x
    return Adaptive(image, x, name="adaptive")


class Adaptive(keras.Model):
    """The network in training."""

    def inference(self) -> keras.Model:
        """The same function through a code of `latent` numbers, in layers and operations of Keras."""
        kept = ops.convert_to_numpy(self.get_layer("choice").kept()).astype(bool)  # (sets, n)
        (sets, n), keep = kept.shape, int(kept[0].sum())
        sent = layers.Embedding(sets, keep, name="sent")  # the coefficients of each set
        place = layers.Embedding(sets, n, trainable=False, name="place")  # the position of each coefficient in the code
        unfold = [layers.Reshape((length,), name=name) for name, length in (("which", keep), ("where", n))]
        energy = _fixed(layers.Dense(sets, use_bias=False, name="energy"), kept.T)

        # === Encoder ===
        x = self.get_layer("coefficients").output  # (784,)
        _, best = ops.top_k(energy(layers.Multiply(name="square")([x, x])), 1)  # (1,)
        numbers = ops.take_along_axis(x, ops.cast(unfold[0](sent(best)), "int32"), axis=1)  # (260,)
        code = layers.Concatenate(name="latent")([numbers, ops.cast(best, x.dtype)])  # (261,)

        # === Decoder ===
        numbers, best = ops.split(code, [keep], axis=1)
        padded = ops.pad(numbers, ((0, 0), (0, 1)))  # coefficients that were not sent are 0
        x = ops.take_along_axis(padded, ops.cast(unfold[1](place(best)), "int32"), axis=1)  # (784,)
        sent.set_weights([np.array([np.flatnonzero(row) for row in kept])])
        place.set_weights([np.where(kept, kept.cumsum(axis=1) - 1, keep)])
        after = self.layers.index(self.get_layer("choice")) + 1
        for layer in self.layers[after:]:
            x = layer([x] * 3 if isinstance(layer, layers.Concatenate) else x)
        model = keras.Model(self.input, x, name=self.name)
        for number, operation in enumerate(model.operations):
            if not isinstance(operation, keras.Layer):  # Keras's own names count the operations of all networks
                operation.name = f"{type(operation).__name__.lower()}_{number}"
        return model


class Choice(keras.layers.Layer):
    """Cosine coefficients `(batch, n)` → the same, 0 outside the set that keeps most energy.

    A set is the `keep` highest of n learned scores; its transpose (rows and columns swapped) is also a set.
    """

    def __init__(self, sets: int, keep: int, **options: Any) -> None:
        super().__init__(**options)
        self.sets, self.keep = sets, keep

    def build(self, shape: Any) -> None:
        side = int(shape[-1] ** 0.5)
        radius = np.hypot(*np.mgrid[:side, :side]).ravel()
        noise = ops.convert_to_numpy(keras.random.normal((self.sets, side * side), stddev=NOISE))
        self.scores = self.add_weight(name="scores", shape=noise.shape, initializer="zeros")
        self.scores.assign((noise - 2 * np.log1p(radius)) / PACE)
        self.transposed = np.arange(side * side).reshape(side, side).T.ravel()
        self.built = True

    def kept(self) -> Any:
        """1 where a set keeps a coefficient, else 0: `(2 · sets, n)`."""
        rank = ops.argsort(ops.argsort(-ops.stop_gradient(self.scores), axis=1), axis=1)
        return self._with_transposes(ops.cast(rank < self.keep, self.compute_dtype))

    def call(self, x: Any) -> Any:
        kept, energy = self.kept(), ops.square(ops.stop_gradient(x))
        soft = self._with_transposes(self._soft())
        gained = ops.matmul(energy, ops.transpose(kept + soft - ops.stop_gradient(soft)))  # (batch, sets)
        lost = ops.mean(energy, axis=1) - ops.max(gained, axis=1) / x.shape[1]
        loss = ops.mean(ops.log10(ops.maximum(lost, 0) + ROUNDING))  # as `losses.log_mse`
        self.add_loss(loss - ops.stop_gradient(loss))  # 0, but with the gradient of `loss`
        return x * ops.take(kept, ops.argmax(gained, axis=1), axis=0)

    def _soft(self) -> Any:
        """Sets with a soft edge, whose gradient replaces that of the sets in training.

        Straight-through estimator: Bengio, Léonard and Courville 2013 (arXiv:1308.3432). The mean along the edge is
        subtracted: if one coefficient gains, others lose.
        """
        scores = self.scores * PACE
        edge = ops.stop_gradient(ops.sort(scores, axis=1)[:, -self.keep][:, None])
        soft = ops.sigmoid((scores - edge) / SOFTNESS)
        slope = ops.stop_gradient(soft * (1 - soft))
        return soft - slope / ops.sum(slope, axis=1, keepdims=True) * ops.sum(soft, axis=1, keepdims=True)

    def _with_transposes(self, sets: Any) -> Any:
        return ops.concatenate([sets, ops.take(sets, self.transposed, axis=1)])


def _fixed(layer: keras.layers.Layer, kernel: np.ndarray) -> keras.layers.Layer:
    layer.trainable = False
    return _filled(layer, kernel)


def _filled(layer: keras.layers.Layer, kernel: np.ndarray) -> keras.layers.Layer:
    layer.build((None, *[None] * (kernel.ndim - 2), kernel.shape[-2]))
    layer.set_weights([kernel])
    return layer


def _cosines(n: int) -> np.ndarray:
    """The orthonormal DCT-II of `n` values (Ahmed, Natarajan and Rao 1974): `(frequency, position)`."""
    waves = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5))
    return waves * np.where(np.arange(n) == 0, 1, 2**0.5)[:, None] / n**0.5
