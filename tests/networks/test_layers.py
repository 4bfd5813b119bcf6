"""The fixed transforms are what they say, and the learned convolutions start where they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from stages.evaluate import baselines
from stages.networks import layers, subpixel

IMAGES = np.random.default_rng(4).random((3, 28, 28, 3))


def close(found: object, wanted: np.ndarray) -> None:
    assert np.asarray(found) == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_whitening_loses_nothing(channels: int) -> None:
    images = IMAGES[..., :channels]
    cells = layers.whitening(channels)(images)
    assert cells.shape == (3, 7, 7, 16 * channels)
    close(layers.unwhitening(channels)(cells), images)


def test_middle_gray_is_zero() -> None:
    close(layers.whitening(3)(np.full((1, 8, 8, 3), 0.5)), np.zeros((1, 2, 2, 48)))


def test_gray_starts_near_the_mean_of_the_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "START", 0.0)
    close(subpixel.build(patch=28, inputs=3, outputs=1)(IMAGES)[..., 0], baselines.mean_rgb(IMAGES))


def test_the_start_is_random_and_within_its_bounds() -> None:
    white = np.ones((1, 8, 8, 1)) * np.eye(3)[:, None, None]  # pure red, green and blue
    weights = np.asarray(subpixel.build(patch=8, inputs=3, outputs=1)(white))[:, 0, 0, 0]
    assert np.abs(weights - 1 / 3).max() < 0.1  # the offset of middle gray is mixed, too
    assert np.ptp(weights) > 1e-4


def test_gray_is_copied_into_every_channel() -> None:
    gray = IMAGES[..., :1]
    cells = layers.gray_to_channels(3)(layers.whitening(1)(gray))
    close(layers.unwhitening(3)(cells), gray.repeat(3, axis=3))


@pytest.mark.parametrize("latent", [1, 32, 261, 784])
def test_low_frequencies_are_those_of_the_cosine_transform_of_the_whole_patch(latent: int) -> None:
    keep, spread = layers.low_frequencies(28, latent)
    cells = np.asarray(layers.whitening(1)(IMAGES[..., :1])).reshape(3, -1)
    rebuilt = layers.unwhitening(1)(np.asarray(spread(keep(cells))).reshape(3, 7, 7, 16))
    spectrum = scipy.fft.dctn(IMAGES[..., 0] - 0.5, norm="ortho", axes=(1, 2)).reshape(3, -1)
    order = np.argsort(np.add.outer(np.arange(28), np.arange(28)).ravel(), kind="stable")
    spectrum[:, order[latent:]] = 0
    wanted = scipy.fft.idctn(spectrum.reshape(3, 28, 28), norm="ortho", axes=(1, 2)) + 0.5
    close(np.asarray(rebuilt)[..., 0], wanted)


@pytest.mark.parametrize("latent", [0, 145])
def test_a_latent_that_a_patch_does_not_have_is_refused(latent: int) -> None:
    with pytest.raises(ValueError, match=f"latent has {latent} numbers; a patch of 12 pixels a side allows 1 to 144"):
        layers.low_frequencies(12, latent)
