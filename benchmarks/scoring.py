"""Scoring: SSIM and PSNR of every patch, beside a loop over scikit-image. CPU time, one thread, in memory."""

from __future__ import annotations

from functools import partial

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.measure import Row, by_turns, cpu_seconds, row
from stages.evaluate import measures

IMAGES, SIDE = 10_000, 28
CLOSE = 1e-6  # how near the scores must be


def scoring(rounds: int) -> list[Row]:
    """Time both on the same images, after a comparison of their scores, which is the warm-up."""
    targets, outputs = pictures(IMAGES)
    worst = float(np.abs(ours(targets, outputs) - loop(targets, outputs)).max())
    took = by_turns(
        {
            function.__name__: partial(cpu_seconds, partial(function, targets, outputs), warm_up=False)
            for function in (ours, loop)
        },
        rounds,
    )
    rate, peer = ([IMAGES / seconds for seconds in took[name]] for name in ("ours", "loop"))
    what = f"SSIM and PSNR of {IMAGES:,} patches of 28 × 28, equal to {CLOSE:g}, beside a loop over scikit-image"
    return [row(what, "images/s", rate, peer, "≥ 10", also=worst <= CLOSE)]


def pictures(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and outputs with more or less noise, both `(images, 28, 28)` float64 in [0, 1]."""
    rng = np.random.default_rng(0)
    coarse = rng.random((images, SIDE // 4, SIDE // 4))
    targets = coarse.repeat(4, axis=1).repeat(4, axis=2) * 0.8 + rng.random((images, SIDE, SIDE)) * 0.2
    noise = rng.normal(size=targets.shape) * rng.uniform(0.01, 0.2, (images, 1, 1))
    return targets, np.clip(targets + noise, 0, 1)


def ours(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """SSIM and PSNR of each image by `stages.evaluate.measures`: `(2, n)`."""
    return np.stack([measures.ssim(targets, outputs), measures.psnr(targets, outputs)])


def loop(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The same by scikit-image with the settings of Wang et al. 2004, image by image: `(2, n)`."""
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    pairs = list(zip(targets, outputs, strict=True))
    ssim = [structural_similarity(target, output, **wang) for target, output in pairs]
    return np.array([ssim, [peak_signal_noise_ratio(target, output, data_range=1) for target, output in pairs]])
