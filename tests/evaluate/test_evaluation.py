"""Every method of an evaluation has its scores, an interval and all probes, fed with what the method converts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from stages.evaluate import baselines, evaluation, leakage, measures, networks
from stages.settings import Evaluate
from stages.targets.patches import PatchSet
from stages.train.networks import simple

SETTINGS = Evaluate(threads=2, picture_rows=1, noise_levels=[5, 25], bootstrap=100, seed=1)


def photograph() -> evaluation.Photograph:
    colour = np.random.default_rng(3).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    return evaluation.Photograph(colour, colour[..., :1])


def leaves(tree: Any) -> list[float]:
    return [leaf for part in tree.values() for leaf in leaves(part)] if isinstance(tree, dict) else [tree]


def check(result: evaluation.Evaluation, methods: list[str]) -> dict[str, Any]:
    """That every method is probed and every number finite; the scores."""
    found = json.loads(json.dumps(result.summary()["scores"]))
    assert list(found) == list(result.bands) == methods
    for method, row in found.items():
        assert row["interval"]["psnr"]["low"] <= row["psnr"] <= row["interval"]["psnr"]["high"]
        assert row["interval"]["ssim"]["low"] <= row["ssim"] <= row["interval"]["ssim"]["high"]
        probes = row["probes"]
        assert list(probes["noise"]) == ["5", "25"]
        assert list(probes["noise"]["5"]) == ["psnr", "ssim", "smoothness"]
        assert list(probes["chroma_r2_per_photo"]) == ["noise"]
        assert all(math.isfinite(leaf) for leaf in leaves(probes))
        assert 0 <= probes["chroma_r2"] <= 1
        assert (result.bands[method]["method"] == method).all()
        assert len(result.bands[method]) == 8
    return found


def test_baselines_are_probed_and_luma_is_clean(patch_set: PatchSet) -> None:
    result = evaluation.of_baselines(patch_set, patch_set, photograph(), SETTINGS)
    found = check(result, ["luma", "mean_rgb", "green", "conv1x1"])
    luma, green = found["luma"]["probes"], found["green"]["probes"]
    assert luma["isoluma_contrast"] == 0 < 20 < green["isoluma_contrast"]
    assert luma["chroma_r2"] < 0.1 < 0.9 < green["chroma_r2"]
    assert luma["chroma_levels"] < 0.5 < green["chroma_levels"]
    assert luma["noise"]["5"]["psnr"] > luma["noise"]["25"]["psnr"] > green["noise"]["25"]["psnr"]
    assert found["luma"]["psnr"] > luma["noise"]["5"]["psnr"]
    assert luma["smoothness"] == pytest.approx(1, abs=0.01)
    assert luma["noise"]["25"]["smoothness"] > 1.05
    variation = [measures.total_variation(patch_set.read(kind)[..., -1] / 255).mean() for kind in ("colour", "gray")]
    blue = evaluation.Evaluation(patch_set, SETTINGS)
    blue.add("blue", patch_set.read("colour")[..., 2] / 255, lambda colour: colour[..., 2])
    assert check(blue, ["blue"])["blue"]["probes"]["smoothness"] == pytest.approx(variation[0] / variation[1])


@pytest.mark.parametrize(("sees", "target"), [("colour", "gray"), ("gray", "gray"), ("colour", "colour")])
def test_a_variant_and_all_its_yardsticks_are_probed(patch_set: PatchSet, sees: str, target: str) -> None:
    model = simple.build(patch=12, inputs=3 if sees == "colour" else 1, outputs=3 if target == "colour" else 1)
    trained = {"recipe": {"input": sees, "target": target}, "parameters": 1, "epochs": 1}
    splits = dict.fromkeys(("train", "validation", "test"), patch_set)
    result = evaluation.of_variant("mine", model, trained, splits, photograph(), SETTINGS)
    read_outs = ["mine_luma", "mine_latent_channel"] if target == "colour" else []
    found = check(result, ["mine", "pca_144", *read_outs])
    assert found["pca_144"]["probes"]["isoluma_contrast"] < 1  # it sees luma only, which is flat
    if target == "colour":
        drawn = baselines.luma(networks.predict(model, leakage.isoluma_patches(12))).std(axis=(1, 2)).mean()
        assert found["mine_luma"]["probes"]["isoluma_contrast"] == pytest.approx(255 * drawn)
        noise = found["mine_latent_channel"]["probes"]["noise"]
        assert noise["5"]["psnr"] != pytest.approx(noise["25"]["psnr"], rel=1e-6)
    if sees == "gray":  # what is drawn into flat patches does not know their hue
        flat = np.repeat([0.3, 0.5, 0.7], 9)[:, None, None, None] * np.ones((12, 12, 1))
        drawn = 255 * networks.predict(model, flat).std(axis=(1, 2)).mean()
        assert found["mine"]["probes"]["isoluma_contrast"] == pytest.approx(drawn, rel=1e-4)


def test_an_identity_of_colour_shows_hue_in_every_channel(patch_set: PatchSet) -> None:
    result = evaluation.Evaluation(patch_set, SETTINGS)
    colour = patch_set.read("colour") / 255
    result.add("identity", colour, lambda images: images)
    result.add("luma", baselines.luma(colour), baselines.luma)
    found = check(result, ["identity", "luma"])
    assert found["identity"]["probes"]["isoluma_contrast"] > 20
    assert found["identity"]["probes"]["chroma_r2"] > 0.9
