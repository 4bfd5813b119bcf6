"""The estimate of a photograph's noise."""

from __future__ import annotations

import numpy as np
import pytest

from grayscale import noise
from tests.grayscale.conftest import clouds


def estimated(photograph: np.ndarray) -> float:
    return noise.estimate(lambda top, bottom: photograph[top:bottom], *photograph.shape[:2])


@pytest.mark.parametrize("sigma", [0.0, 5.0, 10.0, 25.0])
@pytest.mark.parametrize("size", [(99, 150), (1600, 1500)])  # the second is looked at in part
def test_the_noise_that_was_added_is_found(sigma: float, size: tuple[int, int]) -> None:
    smooth = clouds(*size) * 0.3 + 90
    noisy = np.random.default_rng(1).normal(smooth, sigma).round().astype(np.uint8)
    assert estimated(noisy) == pytest.approx(sigma, rel=0.05, abs=0.8)
    assert estimated(noisy / 255) == pytest.approx(estimated(noisy), abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_what_has_no_details_has_no_noise(size: tuple[int, int]) -> None:
    assert estimated(clouds(*size)) == 0
