"""Noise is the same for every method, of the kind and as strong as it says; smoothness is that of the outputs."""

import cv2
import numpy as np
import pytest

from stages.evaluate import measures, noise
from tests import leaves

RNG = np.random.default_rng(19)
GRAY = np.full((200, 28, 28, 3), 128 / 255)


def added(kind: str, level: int, seed: int = 1) -> np.ndarray:
    """To `GRAY`, in gray levels."""
    return 255 * (noise.noisy(GRAY, kind, level, [seed, 0]) - GRAY)


def test_noise_is_that_of_the_seed_and_chunks_do_not_share_it() -> None:
    for kind in ("gaussian", "correlated", "poisson"):
        first, *others = (noise.noisy(GRAY[:4], kind, 20, seed) for seed in ([1, 0], [1, 1], [2, 0]))
        assert (first == noise.noisy(GRAY[:4], kind, 20, [1, 0])).all()
        for other in others:
            assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1
    expected = np.rint(128 + 10 * np.random.default_rng([1, 0]).standard_normal(GRAY.shape))
    assert added("gaussian", 10) + 128 == pytest.approx(expected)  # rounded to 8 bits


@pytest.mark.parametrize(
    ("kind", "level", "deviation"),
    [("gaussian", 10, 10), ("correlated", 10, 10), ("poisson", 100, 255 * np.sqrt(128 / 255 / 100))],
)
def test_noise_is_of_its_level_and_kind(kind: str, level: int, deviation: float) -> None:
    found = added(kind, level)
    assert found.std() == pytest.approx(deviation, rel=0.01)
    assert found.mean() == pytest.approx(0, abs=0.1)
    channels = np.corrcoef(found.reshape(-1, 3).T)[np.triu_indices(3, 1)]
    assert channels == pytest.approx(np.full(3, float(kind == "correlated")), abs=0.02)
    for near, far in ((found[:, 1:], found[:, :-1]), (found[:, :, 1:], found[:, :, :-1])):
        assert np.corrcoef(near.ravel(), far.ravel())[0, 1] == pytest.approx(0, abs=0.02)
    if kind == "gaussian":
        assert np.mean(np.abs(found) < 10.5) == pytest.approx(0.7063, abs=0.005)


def test_noise_is_clipped_and_photons_leave_black_alone() -> None:
    edges = np.tile([0.0, 1.0], (4, 12, 6))[..., None].repeat(3, axis=3)
    for kind in ("gaussian", "correlated", "poisson"):
        found = noise.noisy(edges, kind, 50, [1, 0])
        assert (found.min(), found.max()) == (0, 1)
        assert ((found - edges)[edges == 0] == 0).all() == (kind == "poisson")


@pytest.mark.parametrize("quality", [10, 30])
def test_jpeg_is_that_of_another_encoder(quality: int) -> None:
    patches = np.stack([leaves.photograph(seed, 28, 28) for seed in range(3)])
    found = 255 * noise.noisy(patches / 255, "jpeg", quality, [1, 0])
    for patch, compressed in zip(patches, found, strict=True):
        _, data = cv2.imencode(".jpg", patch[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        assert compressed == pytest.approx(decoded[..., ::-1], abs=1)


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    row, column = np.indices((12, 16)) / 100
    images = np.stack([2 * column, row, 2 * column + row, row * 0])
    assert measures.total_variation(images) == pytest.approx([0.01, 0.005, 0.015, 0])
    assert measures.total_variation(1 - images) == pytest.approx([0.01, 0.005, 0.015, 0])  # a fall counts as a rise
    assert measures.total_variation(np.tile([0, 1], (1, 4, 2))) == pytest.approx([0.5])  # ups and downs do not cancel


def smoothness(targets: np.ndarray, planes: np.ndarray) -> float:
    return noise.smoothness(noise.variation(planes) / len(targets), noise.variation(targets[None]) / len(targets))


def test_smoothness_is_a_ratio_of_means_over_patches_and_finite_where_all_is_flat() -> None:
    targets = RNG.random((6, 12, 12)) * np.linspace(0.1, 1, 6)[:, None, None]
    assert smoothness(targets, 0.25 * targets[None] + 0.5) == pytest.approx(0.25)
    assert smoothness(targets, np.stack([targets, targets, 0 * targets])) == pytest.approx(2 / 3)
    first_only = targets * (np.arange(6) == 5)[:, None, None]
    expected = measures.total_variation(targets)[5] / measures.total_variation(targets).sum()
    assert smoothness(targets, first_only[None]) == pytest.approx(expected)
    flat = np.full((3, 12, 12), 0.5)
    assert (
        smoothness(targets[:3], flat[None] + RNG.uniform(0, 1e-12, (1, 3, 12, 12))) == smoothness(flat, flat[None]) == 0
    )
    assert np.isfinite(smoothness(flat, RNG.random((1, 3, 12, 12))))
