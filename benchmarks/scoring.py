"""Scoring: SSIM and PSNR of every patch, beside a loop over scikit-image. CPU time, one thread, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.measure import by_turns, cpu_seconds, goal, ratio, spread
from stages.evaluate import measures

TITLE = "Scoring"
IMAGES, SIDE = 10_000, 28
CLOSE = 1e-6  # how near the scores must be


def measure(rounds: int, images: int = IMAGES) -> dict[str, Any]:
    """Time both on the same `images`; the warm-up of each is a tenth of them."""
    targets, outputs = pictures(images)
    few = slice(images // 10)
    ours(targets[few], outputs[few])
    loop(targets[few], outputs[few])
    worst = float(np.abs(ours(targets, outputs) - loop(targets, outputs)).max())
    found = by_turns(
        {
            "ours": lambda: cpu_seconds(lambda: ours(targets, outputs), warm_up=False),
            "scikit-image": lambda: cpu_seconds(lambda: loop(targets, outputs), warm_up=False),
        },
        rounds,
    )
    took = {name: spread(times) for name, times in found.items()}
    return {
        "images": images,
        "cpu_seconds": took,
        "worst_difference": worst,
        "goals": {
            "scoring": goal(
                f"SSIM + PSNR of {images:,} patches of 28 × 28, equal to {CLOSE:g}",
                f"{images / took['ours']['median']:,.0f} images/s",
                f"loop over scikit-image: {images / took['scikit-image']['median']:,.0f} images/s",
                ratio(found["scikit-image"], found["ours"]),
                least=10,
                also=worst <= CLOSE,
            )
        },
    }


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
    return np.array(
        [
            [structural_similarity(target, output, **wang) for target, output in pairs],
            [peak_signal_noise_ratio(target, output, data_range=1) for target, output in pairs],
        ]
    )
