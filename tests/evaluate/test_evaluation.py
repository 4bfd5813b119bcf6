"""Every method of an evaluation has its scores, an interval and all probes, fed with what the method converts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

from stages.evaluate import baselines, decolorization, evaluation, leakage, measures, networks, tiles
from stages.settings import Evaluate
from stages.targets.conversions import CONVERSIONS, bt601
from stages.targets.patches import PatchSet
from stages.train.networks import simple

SETTINGS = Evaluate(threads=2, picture_rows=1, megapixels=4, noise_levels=[5, 25], bootstrap=100, seed=1)


def photographs() -> list[evaluation.Photograph]:
    """Smooth ones of no multiple of a patch, so that luma keeps some of their contrast."""
    colour = gaussian_filter(np.random.default_rng(3).random((2, 30, 41, 3)), 1.5, axes=(1, 2))
    levels = np.rint(255 * np.clip(4 * (colour - 0.5) + 0.5, 0, 1)).astype(np.uint8)
    names = (("meadow", "everyday"), ("section", "histology"))
    return [evaluation.Photograph(*name, image, "bt601") for name, image in zip(names, levels, strict=True)]


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


def check_contrast(result: evaluation.Evaluation, methods: list[str]) -> pd.DataFrame:
    """That each photograph has its row for each method; the rows by method and photograph."""
    table = pd.DataFrame(result.contrast)
    assert list(table) == ["method", "photo", "domain", "whole_psnr", "whole_ssim", *decolorization.MEASURES]
    domains = {"meadow": "everyday", "section": "histology"}
    expected = [(method, *place) for place in domains.items() for method in methods]
    assert list(table[["method", "photo", "domain"]].itertuples(index=False, name=None)) == expected
    assert table[list(decolorization.MEASURES)].stack().between(0, 1).all()
    return table.set_index(["method", "photo"])[list(decolorization.MEASURES)]


def test_baselines_are_probed_and_luma_is_clean(patch_set: PatchSet) -> None:
    result = evaluation.of_baselines(patch_set, patch_set, photographs(), SETTINGS)
    found = check(result, ["luma", "mean_rgb", "green", "conv1x1"])
    luma, green = found["luma"]["probes"], found["green"]["probes"]
    assert luma["isoluma_contrast"] == 0 < 20 < green["isoluma_contrast"]
    assert luma["chroma_r2"] < 0.1 < 0.9 < green["chroma_r2"]
    assert luma["chroma_levels"] < 0.5 < green["chroma_levels"]
    assert luma["noise"]["5"]["psnr"] > luma["noise"]["25"]["psnr"] > green["noise"]["25"]["psnr"]
    assert found["luma"]["psnr"] > luma["noise"]["5"]["psnr"]
    assert luma["smoothness"] == pytest.approx(1, abs=0.01)
    assert luma["noise"]["25"]["smoothness"] > 1.05
    assert result.pictures["photograph_gray"].shape == (24, 36, 1)
    variation = [measures.total_variation(patch_set.read(kind)[..., -1] / 255).mean() for kind in ("colour", "gray")]
    blue = evaluation.Evaluation(patch_set, SETTINGS)
    blue.add("blue", patch_set.read("colour")[..., 2] / 255, lambda colour: colour[..., 2])
    assert check(blue, ["blue"])["blue"]["probes"]["smoothness"] == pytest.approx(variation[0] / variation[1])


def test_whole_photographs_are_scored_beside_their_target_and_the_standard_conversions(
    patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONVERSIONS, "green", lambda colour: colour[..., 1])
    seen = photographs()
    result = evaluation.of_baselines(patch_set, patch_set, seen, SETTINGS)
    contrast = check_contrast(result, ["target", "luma", "mean_rgb", "green", "conv1x1"])
    for photograph in seen:
        pairs = decolorization.pairs_of(photograph.colour, SETTINGS.seed)
        rows = contrast.xs(photograph.name, level="photo")
        assert rows.loc["target"].to_dict() == decolorization.contrast(pairs, bt601(photograph.colour) / 255)
        green = decolorization.contrast(pairs, photograph.colour[..., 1] / 255)
        assert rows.loc["green"].to_dict() == pytest.approx(green)  # in patches as in one piece
        assert rows.loc["luma"].to_dict() == pytest.approx(rows.loc["target"].to_dict(), abs=0.05)
    conversions = pd.DataFrame(result.conversions).set_index(["conversion", "photo"])
    assert len(conversions) == 2 * len(CONVERSIONS)
    assert conversions.loc["bt601", ["whole_psnr", "whole_ssim"]].to_numpy().tolist() == [[100, 1], [100, 1]]
    for photograph in seen:
        row = conversions.loc[("green", photograph.name)]
        images = photograph.gray[..., 0] / 255, photograph.colour[..., 1] / 255
        assert row["whole_psnr"] == pytest.approx(peak_signal_noise_ratio(*images, data_range=1))
        green = contrast.loc[("green", photograph.name)].to_dict()
        assert row[list(decolorization.MEASURES)].to_dict() == pytest.approx(green)


@pytest.mark.parametrize(("sees", "target"), [("colour", "gray"), ("gray", "gray"), ("colour", "colour")])
def test_a_variant_and_all_its_yardsticks_are_probed(patch_set: PatchSet, sees: str, target: str) -> None:
    model = simple.build(patch=12, inputs=3 if sees == "colour" else 1, outputs=3 if target == "colour" else 1)
    trained = {"recipe": {"input": sees, "target": target}, "parameters": 1, "epochs": 1}
    splits = dict.fromkeys(("train", "validation", "test"), patch_set)
    result = evaluation.of_variant("mine", model, trained, splits, iter(photographs()), SETTINGS)
    read_outs = ["mine_luma", "mine_latent_channel"] if target == "colour" else []
    found = check(result, ["mine", "pca_48", *read_outs])
    contrast = check_contrast(result, ["mine", "pca_48", *read_outs])
    meadow = photographs()[0].colour
    pca = baselines.fit_pca(evaluation.gray_of(patch_set), 144)
    rebuilt = np.clip(tiles.whole(lambda colour: pca(baselines.luma(colour)), meadow, 12), 0, 1)
    expected = decolorization.contrast(decolorization.pairs_of(meadow, SETTINGS.seed), rebuilt)
    assert contrast.loc[("pca_48", "meadow")].to_dict() == pytest.approx(expected)
    assert result.pictures["photograph"].shape == (24, 36, 3 if target == "colour" else 1)
    assert result.conversions == []
    assert found["pca_48"]["probes"]["isoluma_contrast"] < 1  # it sees luma only, which is flat
    if target == "colour":
        drawn = baselines.luma(networks.predict(model, leakage.isoluma_patches(12))).std(axis=(1, 2)).mean()
        assert found["mine_luma"]["probes"]["isoluma_contrast"] == pytest.approx(255 * drawn)
        noise = found["mine_latent_channel"]["probes"]["noise"]
        assert noise["5"]["psnr"] != pytest.approx(noise["25"]["psnr"], rel=1e-6)
    if sees == "gray":  # what is drawn into flat patches does not know their hue
        flat = np.repeat([0.3, 0.5, 0.7], 9)[:, None, None, None] * np.ones((12, 12, 1))
        drawn = 255 * networks.predict(model, flat).std(axis=(1, 2)).mean()
        assert found["mine"]["probes"]["isoluma_contrast"] == pytest.approx(drawn, rel=1e-4)


def test_a_colour_output_keeps_the_contrast_of_its_channels_on_average(patch_set: PatchSet) -> None:
    result = evaluation.Evaluation(patch_set, SETTINGS)
    result.add("identity", patch_set.read("colour") / 255, lambda images: 1.5 * images - 0.25)  # is clipped
    photograph = photographs()[0]
    pairs = decolorization.pairs_of(photograph.colour, SETTINGS.seed)
    result.add_photograph(photograph, pairs)
    stretched = np.clip(1.5 * (photograph.colour / 255) - 0.25, 0, 1)
    channels = pd.DataFrame([decolorization.contrast(pairs, stretched[..., channel]) for channel in range(3)])
    (row,) = result.contrast
    assert {name: row[name] for name in channels} == pytest.approx(channels.mean().to_dict())


def test_an_identity_of_colour_shows_hue_in_every_channel(patch_set: PatchSet) -> None:
    result = evaluation.Evaluation(patch_set, SETTINGS)
    colour = patch_set.read("colour") / 255
    result.add("identity", colour, lambda images: images)
    result.add("luma", baselines.luma(colour), baselines.luma)
    found = check(result, ["identity", "luma"])
    assert found["identity"]["probes"]["isoluma_contrast"] > 20
    assert found["identity"]["probes"]["chroma_r2"] > 0.9
