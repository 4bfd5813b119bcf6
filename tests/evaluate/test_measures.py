"""Measures agree with scikit-image's independent implementations, image by image."""

import numpy as np
import pytest
from skimage.color import lab2rgb
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from stages.evaluate import measures

RNG = np.random.default_rng(11)
TARGETS = RNG.random((20, 28, 28))
OUTPUTS = np.clip(TARGETS + RNG.normal(0, RNG.uniform(0, 0.4, (20, 1, 1)), TARGETS.shape), 0, 1)


def test_psnr_and_mse_agree_with_scikit_image() -> None:
    pairs = list(zip(TARGETS, OUTPUTS, strict=True))
    assert measures.mse(TARGETS, OUTPUTS) == pytest.approx([mean_squared_error(*pair) for pair in pairs])
    assert measures.psnr(TARGETS, OUTPUTS) == pytest.approx(
        [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]
    )


def test_identical_images_have_no_psnr_and_an_ssim_of_one_and_equal_pixels_are_counted() -> None:
    found = measures.psnr(TARGETS, np.where(np.arange(20)[:, None, None] == 3, OUTPUTS, TARGETS))
    assert np.isnan(found).tolist() == [number != 3 for number in range(20)]
    assert measures.ssim(TARGETS, TARGETS) == pytest.approx(np.ones(20))
    outputs = TARGETS.copy()
    outputs[0, :7] += 1e-9
    assert measures.exact(TARGETS, outputs).tolist() == [0.75, *[1] * 19]


@pytest.mark.parametrize("shape", [(20, 28, 28), (3, 90, 141)])  # the larger is cut into pieces
def test_ssim_is_that_of_wang_2004(shape: tuple[int, ...]) -> None:
    targets = RNG.random(shape)
    outputs = np.clip(targets + RNG.normal(0, 0.1, shape), 0, 1)
    peer = [
        structural_similarity(*pair, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)
        for pair in zip(targets, outputs, strict=True)
    ]
    assert measures.ssim(targets, outputs) == pytest.approx(peer, abs=1e-12)
    with pytest.raises(ValueError, match="at least 11"):
        measures.ssim(targets[:, :10], outputs[:, :10])


def test_chroma_is_zero_for_gray_and_known_for_a_known_colour() -> None:
    gray = np.repeat(TARGETS[:3, ..., None], 3, axis=3)
    assert measures.chroma(gray) == pytest.approx(np.zeros(3), abs=0.01)
    colour = lab2rgb(np.full((1, 8, 8, 3), [60.0, 30.0, 40.0]))
    assert measures.chroma(colour) == pytest.approx([50.0], abs=0.01)
