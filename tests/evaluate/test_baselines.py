"""Baselines agree with independent implementations."""

import itertools

import numpy as np
import pytest
from sklearn.decomposition import PCA

from stages.evaluate import baselines

RNG = np.random.default_rng(5)


def test_the_1x1_convolution_learns_the_weights_of_the_target() -> None:
    colour = RNG.random((6, 12, 12, 3))
    wanted = baselines.luma(colour) * 0.9 + 0.05
    weights = baselines.fit_conv1x1([(colour[:1], wanted[:1]), (colour[1:3], wanted[1:3])])
    assert baselines.conv1x1(colour[3:], weights) == pytest.approx(wanted[3:])


def smooth(patches: int) -> np.ndarray:
    """Patches of 12 pixels without symmetry."""
    return np.cumsum(RNG.normal(0.1, 1, (patches, 144)), axis=1).reshape(-1, 12, 12)


@pytest.mark.parametrize("patches", [40, 18, 10])  # 36 copies are as many as half of the pixels
def test_pca_is_that_of_all_flips_and_turns(patches: int) -> None:
    train, test = smooth(patches), smooth(9).reshape(9, -1)
    turned = [np.rot90(train, turns, axes=(1, 2)) for turns in range(4)]
    every = np.concatenate([*turned, *(np.flip(each, axis=2) for each in turned)]).reshape(8 * patches, -1)
    peer = PCA(svd_solver="full").fit(every)
    gaps = peer.explained_variance_[:-1] > 1.001 * peer.explained_variance_[1:]
    mean, directions = baselines.fit_pca(iter(np.split(train, [3, 4])), patches, 144)
    assert mean == pytest.approx(peer.mean_)
    assert directions.T @ directions == pytest.approx(np.eye(directions.shape[1]))
    for components in (1, *(np.flatnonzero(gaps[20:40]) + 21)):  # not between two of the same variance
        wanted = (test - peer.mean_) @ peer.components_[:components].T @ peer.components_[:components] + peer.mean_
        found = baselines.pca(test.reshape(9, 12, 12), mean, directions[:, :components])
        assert found.reshape(9, -1) == pytest.approx(wanted, abs=1e-8)
    assert baselines.fit_pca([train], patches, 30)[1].shape == (144, 30)


def test_even_components_come_before_their_turned_odd_twins() -> None:
    train = smooth(100)
    _, directions = baselines.fit_pca([train], 100, 144)
    images = directions.T.reshape(-1, 12, 12)
    twins = [
        (number, other)
        for number, other in itertools.pairwise(range(len(images)))
        if abs(np.vdot(images[number], images[other].T)) > 0.999
    ]
    assert len(twins) > 20
    for even, odd in twins:
        assert images[even] == pytest.approx(images[even][::-1])
        assert images[odd] == pytest.approx(-images[odd][::-1])


def test_pca_has_no_direction_in_which_the_training_patches_do_not_vary() -> None:
    flat = RNG.random((200, 12, 1)).repeat(12, axis=2)  # rows in half of the copies, columns in the others
    assert baselines.fit_pca([flat], 200, 144)[1].shape == (144, 23)
    assert baselines.fit_pca([flat[:4]], 4, 144)[1].shape[1] < 23


@pytest.mark.parametrize(("radial", "place"), [(False, 32), (True, 24)])  # rank of u = 3, v = 4, counted by hand
def test_a_dct_code_keeps_a_wave_from_its_rank_on(radial: bool, place: int) -> None:
    row, column = np.indices((12, 12)) + 0.5
    wave = np.cos(np.pi * 3 * row / 12) * np.cos(np.pi * 4 * column / 12)
    images = np.stack([0.5 + 0.1 * wave, 0.2 - 0.1 * wave])
    flat = images.mean(axis=(1, 2), keepdims=True) * np.ones((1, 12, 12))
    assert baselines.dct(images, place - 1, radial=radial) == pytest.approx(flat)
    assert baselines.dct(images, place, radial=radial) == pytest.approx(images)
