"""`adaptive`: each patch keeps those cosine coefficients that it needs, by the best of several learned sets.

A linear code of a given size keeps the same coefficients of every patch (a cosine transform), or the same mixtures of
pixels (principal components), whatever the patch shows. This encoder has several sets of coefficients, takes the one
that keeps most energy of the patch, and sends its number along: `latent` − 1 coefficients and one index. It is adaptive
transform coding by classes (Chen and Smith 1977, IEEE Transactions on Communications 25:11), with learned classes.

Fixed: the cosine transform of the patch and its inverse, and that the transpose of each set is a set, too. Learned: the
mixture of red, green and blue, from their mean, and the sets. All sets start as the lowest frequencies by radius but
for a little noise, and specialise by competition: a patch changes only the set that it takes.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stages.networks.layers import ROUNDING

NOISE = 0.02  # standard deviation of the scores' noise at the start
SOFTNESS = 0.2  # of the edge of a set in training, in units of its scores
PACE = 20  # scores move so much faster than the mixture, at the same learning rate
TINT = 3.5  # differences between channels, enlarged so much, are about as large as what the channels share


def build(*, patch: int, inputs: int, outputs: int, latent: int, sets: int) -> "Adaptive":
    """The network in the form that learns; `Adaptive.inference` is the one to use.

    Raises:
        ValueError: `latent` is not from 2 to the number of pixels.
    """
    if not 2 <= latent <= patch * patch:
        raise ValueError(f"the latent has {latent} numbers; a patch of {patch} pixels a side allows 2 to {patch**2}")
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
    """The network while it learns."""

    def inference(self) -> keras.Model:
        """The same function with a code of `latent` numbers in the middle, in layers and operations of Keras alone."""
        kept = ops.convert_to_numpy(self.get_layer("choice").kept()).astype(bool)  # (sets, n)
        (sets, n), keep = kept.shape, int(kept[0].sum())
        sent = layers.Embedding(sets, keep, name="sent")  # of each set, the coefficients that it keeps
        place = layers.Embedding(sets, n, trainable=False, name="place")  # of each coefficient, where it is in the code
        unfold = [layers.Reshape((length,), name=name) for name, length in (("which", keep), ("where", n))]
        energy = _fixed(layers.Dense(sets, use_bias=False, name="energy"), kept.T)

        # === Encoder ===
        x = self.get_layer("coefficients").output  # (784,)
        _, best = ops.top_k(energy(layers.Multiply(name="square")([x, x])), 1)  # (1,)
        numbers = ops.take_along_axis(x, ops.cast(unfold[0](sent(best)), "int32"), axis=1)  # (260,)
        code = layers.Concatenate(name="latent")([numbers, ops.cast(best, x.dtype)])  # (261,)

        # === Decoder ===
        numbers, best = ops.split(code, [keep], axis=1)
        padded = ops.pad(numbers, ((0, 0), (0, 1)))  # what was not sent is 0
        x = ops.take_along_axis(padded, ops.cast(unfold[1](place(best)), "int32"), axis=1)  # (784,)
        sent.set_weights([np.array([np.flatnonzero(row) for row in kept])])
        place.set_weights([np.where(kept, kept.cumsum(axis=1) - 1, keep)])
        after = self.layers.index(self.get_layer("choice")) + 1
        for layer in self.layers[after:]:
            x = layer([x] * 3 if isinstance(layer, layers.Concatenate) else x)
        model = keras.Model(self.input, x, name=self.name)
        for number, operation in enumerate(model.operations):
            if not isinstance(operation, keras.Layer):  # Keras would count those of all networks before
                operation.name = f"{type(operation).__name__.lower()}_{number}"
        return model


class Choice(keras.layers.Layer):
    """Cosine coefficients `(batch, n)` → the same, 0 where the set that keeps most energy has none.

    A set is the `keep` highest of n learned scores; its transpose (rows and columns swapped) is a set, too.
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
        """Does a set keep a coefficient? 1 or 0, `(2 · sets, n)`."""
        rank = ops.argsort(ops.argsort(-ops.stop_gradient(self.scores), axis=1), axis=1)
        return self._with_transposes(ops.cast(rank < self.keep, self.compute_dtype))

    def call(self, x: Any) -> Any:
        kept, energy = self.kept(), ops.square(ops.stop_gradient(x))
        soft = self._with_transposes(self._soft())
        gained = ops.matmul(energy, ops.transpose(kept + soft - ops.stop_gradient(soft)))  # (batch, sets)
        lost = ops.mean(energy, axis=1) - ops.max(gained, axis=1) / x.shape[1]
        loss = ops.mean(ops.log10(ops.maximum(lost, 0) + ROUNDING))  # as `losses.log_mse`
        self.add_loss(loss - ops.stop_gradient(loss))  # 0: only its gradient is wanted
        return x * ops.take(kept, ops.argmax(gained, axis=1), axis=0)

    def _soft(self) -> Any:
        """A set that ends in a sigmoid, less the mean along its edge: what a coefficient gains others lose.

        Its gradient is that of the set itself in training (straight-through, Bengio, Léonard and Courville 2013,
        arXiv:1308.3432).
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
    """The orthonormal DCT-II (Ahmed, Natarajan and Rao 1974) of `n` values: `(frequency, position)`."""
    waves = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5))
    return waves * np.where(np.arange(n) == 0, 1, 2**0.5)[:, None] / n**0.5
