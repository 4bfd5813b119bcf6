"""The adaptive code is the cosine coefficients of the best set; sets learn what their patches miss."""

import keras
import numpy as np
import pytest
import scipy.fft

from stages.evaluate import networks
from stages.networks import adaptive
from stages.train import losses, precision

KEEP, SETS, SIDE = 20, 6, 12


@pytest.fixture(autouse=True)
def float64() -> None:
    keras.utils.set_random_seed(3)
    precision._use("float64")


def network(sets: int = SETS) -> adaptive.Adaptive:
    return adaptive.build(patch=SIDE, inputs=3, outputs=1, latent=KEEP + 1, sets=sets)


def spectra(gray: np.ndarray) -> np.ndarray:
    return scipy.fft.dctn(gray, norm="ortho", axes=(1, 2)).reshape(len(gray), -1)


def test_each_patch_sends_the_coefficients_of_the_set_that_keeps_most_energy() -> None:
    model = network()
    scores = model.get_layer("choice").scores
    scores.assign(np.random.default_rng(8).random(scores.shape))  # sets as different as they can be
    images = np.random.default_rng(4).random((40, SIDE, SIDE, 3))
    found = spectra(np.asarray(model(images))[..., 0])
    wanted = spectra(images.mean(axis=3))
    kept = np.asarray(model.get_layer("choice").kept()).astype(bool)
    assert kept.shape == (2 * SETS, SIDE * SIDE)
    assert (kept.sum(axis=1) == KEEP).all()
    turned = kept.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(2, SETS, -1)
    assert np.array_equal(np.roll(turned, 1, axis=0).reshape(kept.shape), kept)  # transposes are sets, too
    best = np.argmax(wanted.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(40, -1) ** 2 @ kept.T, axis=1)
    assert len(set(best)) > SETS
    rows_last = kept[best].reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(40, -1)
    np.testing.assert_allclose(found, wanted * rows_last, atol=1e-12)

    code, _ = networks.encode(model.inference(), images)
    assert code.shape == (40, KEEP + 1)
    assert np.array_equal(code[:, -1], best)
    for numbers, spectrum in zip(code[:, :-1], found, strict=True):
        np.testing.assert_allclose(
            np.sort(numbers), np.sort(spectrum[np.argsort(-np.abs(spectrum))[:KEEP]]), atol=1e-12
        )
    np.testing.assert_allclose(model.inference()(images), model(images, training=True), atol=1e-12)


def test_sets_learn_to_keep_what_their_patches_miss() -> None:
    """All patches are waves along rows that no set keeps at the start."""
    spectrum = np.zeros((64, SIDE, SIDE))
    spectrum[:, 0, 0] = 6
    spectrum[:, 1, 6:] = np.random.default_rng(6).normal(0, 0.3, (64, SIDE - 6))
    gray = scipy.fft.idctn(spectrum, norm="ortho", axes=(1, 2))[..., None]
    model = network(sets=1)
    model.compile(keras.optimizers.Adam(0.01), loss=losses.log_mse)
    before = float(np.mean(losses.mse(gray, model(gray.repeat(3, axis=3)))))
    model.fit(gray.repeat(3, axis=3), gray, batch_size=16, epochs=20, verbose=0)
    after = float(np.mean(losses.mse(gray, model(gray.repeat(3, axis=3)))))
    assert after < before / 100


@pytest.mark.parametrize("latent", [1, 145])
def test_a_latent_that_a_patch_does_not_have_is_refused(latent: int) -> None:
    with pytest.raises(ValueError, match=f"latent has {latent} numbers; a patch of 12 pixels a side allows 2 to 144"):
        adaptive.build(patch=12, inputs=3, outputs=1, latent=latent, sets=2)
