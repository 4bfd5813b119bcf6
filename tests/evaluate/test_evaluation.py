"""Every method of an evaluation has scores, an interval and all probes, in any number of chunks."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

from grayscale import damage, tiles
from grayscale.conversions import CONVERSIONS, bt601
from stages.common.artifacts import ArtifactError
from stages.common.engine import Engine
from stages.common.settings import Evaluate, Noise, Variant, load
from stages.evaluate import (
    baselines,
    chunks,
    decolorization,
    evaluation,
    leakage,
    measures,
    methods,
    networks,
    noise,
    probes,
    scores,
    shard,
)
from stages.evaluate.evaluation import Evaluation
from stages.evaluate.methods import Subject
from stages.evaluate.test_sets import refuse_known
from stages.formats.patches import PatchSet
from tests import samples
from tests.conftest import REPOSITORY

HERE = Engine(engine="local", workers=1, address="auto")
NOISE = Noise(gaussian=[5, 25], correlated=[25], poisson=[100], jpeg=[])
SETTINGS = Evaluate(threads=2, megapixels=4, noise=NOISE, seed=1)
CONDITIONS = ["gaussian_5", "gaussian_25", "correlated_25", "poisson_100"]
CODES = ["pca_100", "dct_100", "dct_radial_100"]
PROBES = ["chroma_r2", "chroma_levels", "chroma_excess", "smoothness", "smoothness_reference", "hue_contrast", "noise"]
VAE: dict[str, Any] = {"network": "vae", "latent": 100, "sigma": 0.1}
FACTS = {"trainable": 3, "parameters": 4, "epochs": 5, "steps": 6, "macs": 7}
NONE = pd.DataFrame({"name": [], "domain": []})
WHOLE = pd.DataFrame({"name": ["meadow", "section"], "domain": ["everyday", "histology"]})


@pytest.fixture(scope="module")
def patch_set(tmp_path_factory: pytest.TempPathFactory) -> PatchSet:
    """100 patches of 12 pixels with structure and texture, of four photographs."""
    rng = np.random.default_rng(7)
    colour = rng.integers(0, 216, (100, 3, 3, 3)).repeat(4, axis=1).repeat(4, axis=2)
    colour = (colour + rng.integers(0, 40, colour.shape)).astype(np.uint8)
    index = pd.DataFrame({"photo": np.repeat(["d", "b", "c", "a"], [10, 50, 20, 20]), "domain": "everyday", "row": 0})
    index["column"] = np.arange(100)
    gray = bt601(colour.reshape(100, 144, 3)).reshape(100, 12, 12, 1)
    return samples.write_patches(tmp_path_factory.mktemp("patches"), index, colour, gray, [40, 40, 20])


@pytest.fixture
def subject(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """The baselines, in four chunks of patches; photographs are `Photographs`, in this process."""
    monkeypatch.setattr(shard, "_photos", lambda folder: Photographs())
    monkeypatch.setattr(chunks, "PIXELS", 30 * 144)
    return of_patches(patch_set.folder)


def of_patches(folder: Path) -> Subject:
    return Subject(folder, Path("none"), "bt601", SETTINGS, train=folder, validation=folder)


class Photographs:
    """Smooth photographs whose sides are not multiples of a patch."""

    def read(self, name: str) -> np.ndarray:
        colour = gaussian_filter(np.random.default_rng(3).random((2, 30, 41, 3)), 1.5, axes=(1, 2))
        levels = np.rint(255 * np.clip(4 * (colour - 0.5) + 0.5, 0, 1)).astype(np.uint8)
        return levels[list(WHOLE["name"]).index(name)]


def variant(subject: Subject, folder: Path, sees: str, makes: str, network: str, **options: Any) -> Subject:
    """A variant `mine` with an untrained network; before its first step it had half its weights."""
    restores = sees == "colour_damage"
    own = {"input": sees, "target": makes, "degrade": 55.0 if restores else 0.0, "network": network, **options}
    recipe = Variant(**{**load(REPOSITORY / "params.yaml").train.recipe.model_dump(), **own})
    samples.write_network(folder, recipe, FACTS)
    seen: dict[str, Any] = {"input": sees, "target": makes, "restores": restores}
    return replace(subject, name="mine", model=folder / "model.keras", **seen)


def leaves(tree: Any) -> list[float]:
    return [leaf for part in tree.values() for leaf in leaves(part)] if isinstance(tree, dict) else [tree or 0]


def check(result: Evaluation, names: list[str]) -> dict[str, Any]:
    """Check that every method has all probes and finite numbers; return the scores."""
    found = json.loads(json.dumps(result.scores))
    assert list(found) == names
    assert result.tables["bands"]["method"].tolist() == np.repeat(names, 8).tolist()
    for method, row in found.items():
        photographs = result.tables["photographs"]
        photographs = photographs[photographs["method"] == method]
        for key, interval in row["interval"].items():
            means = photographs[key].dropna()
            assert (interval is None) == (len(means) < 2)  # most patches of luma have no PSNR
            if interval:
                assert interval["mean"] == pytest.approx(means.mean())
                assert interval["low"] < interval["mean"] < interval["high"]
        probes = row["probes"]
        assert (list(probes), list(probes["noise"])) == (PROBES, CONDITIONS)
        assert all(list(found) == ["psnr", "ssim"] for found in probes["noise"].values())
        assert list(photographs["photo"]) == ["a", "b", "c", "d"]
        assert photographs["chroma_r2"].mean() == pytest.approx(probes["chroma_r2"])
        assert all(math.isfinite(leaf) for leaf in leaves(probes)) and 0 <= probes["chroma_r2"] <= 1
    return found


def check_contrast(result: Evaluation, names: list[str]) -> pd.DataFrame:
    """Check that there is a row for each method and photograph; return the rows."""
    table = result.tables["contrast"]
    assert list(table) == ["method", "photo", "domain", "whole_psnr", "whole_ssim", *decolorization.MEASURES]
    expected = [(method, *place) for place in WHOLE.itertuples(index=False, name=None) for method in names]
    assert list(table[["method", "photo", "domain"]].itertuples(index=False, name=None)) == expected
    table = table.set_index(["method", "photo"])[list(decolorization.MEASURES)]
    assert table.stack().between(0, 1).all()
    return table


# === Scores ===


@pytest.fixture(scope="module")
def of_baselines(patch_set: PatchSet, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The baselines on whole photographs and on patches, which are one chunk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "_photos", lambda folder: Photographs())
        return evaluation.evaluate(of_patches(patch_set.folder), WHOLE, tmp_path_factory.mktemp("kept"), HERE)


def test_baselines_have_probes_and_those_of_luma_are_clean(of_baselines: Evaluation) -> None:
    found = check(of_baselines, ["luma", "mean_rgb", "green", "conv1x1"])
    luma, green = found["luma"]["probes"], found["green"]["probes"]
    assert found["luma"]["identical"] > 80
    assert found["luma"]["exact"] > 0.999 > 0.2 > found["green"]["exact"]
    assert luma["hue_contrast"] == 0 < 20 < green["hue_contrast"]
    assert luma["chroma_r2"] < 0.1 < 0.9 < green["chroma_r2"]
    assert abs(luma["chroma_excess"]) < 0.1 < 5 < green["chroma_excess"] < green["chroma_levels"] - 0.1
    damaged, of_green = ([of["noise"][condition]["psnr"] for condition in CONDITIONS] for of in (luma, green))
    assert found["luma"]["psnr"] > damaged[0] > damaged[1] > damaged[2] + 1  # correlated noise is not averaged
    assert of_green[1] < damaged[1]
    assert luma["noise"]["gaussian_25"]["ssim"] < luma["noise"]["gaussian_5"]["ssim"] < found["luma"]["ssim"]
    assert luma["smoothness"] == pytest.approx(1, abs=0.01) == luma["smoothness_reference"]
    assert green["smoothness"] > green["smoothness_reference"] + 0.1
    noisy = ["noisy_clean", "noisy_colour", "noisy_luma", "noisy_nl_means"]
    assert sorted(of_baselines.pictures) == [*noisy, "photograph_colour", "photograph_gray"]
    assert (of_baselines.pictures["photograph_gray"] == bt601(Photographs().read("meadow"))).all()


def test_whole_photographs_have_scores_of_methods_target_and_conversions(of_baselines: Evaluation) -> None:
    contrast = check_contrast(of_baselines, ["target", "luma", "mean_rgb", "green", "conv1x1"])
    conversions = of_baselines.tables["conversions"].set_index(["conversion", "photo"])
    assert len(conversions) == 2 * len(CONVERSIONS)
    assert conversions.loc["bt601", "whole_psnr"].isna().all()  # the target itself
    assert (conversions.loc["bt601", "whole_ssim"] == 1).all()
    for name in WHOLE["name"]:
        colour = Photographs().read(name)
        pairs = decolorization.pairs_of(colour, SETTINGS.seed)
        rows, row = contrast.xs(name, level="photo"), conversions.loc[("green", name)]
        assert rows.loc["target"].to_dict() == decolorization.contrast(pairs, bt601(colour) / 255)
        green = decolorization.contrast(pairs, colour[..., 1] / 255)
        assert rows.loc["green"].to_dict() == pytest.approx(green)  # in patches as in one piece
        assert rows.loc["luma"].to_dict() == pytest.approx(rows.loc["target"].to_dict(), abs=0.05)
        images = bt601(colour) / 255, colour[..., 1] / 255
        assert row["whole_psnr"] == pytest.approx(peak_signal_noise_ratio(*images, data_range=1))
        assert row[list(decolorization.MEASURES)].to_dict() == pytest.approx(green)


def test_filters_are_scored_on_whole_damaged_photographs(of_baselines: Evaluation) -> None:
    table = of_baselines.tables["restored"].set_index(["kind", "level", "method", "photo"]).sort_index()
    count = len(of_baselines.scores) + len(baselines.FILTERS)
    assert len(table) == len(table.index.unique()) == (1 + len(CONDITIONS)) * count * len(WHOLE)
    assert not (table.loc[("gaussian", 0, "nl_means"), "psnr"] < 70).any()  # no noise, no change
    for name in WHOLE["name"]:
        psnr = table["psnr"].xs(name, level="photo")
        assert psnr["gaussian", 25, "luma"] == pytest.approx(20 * np.log10(255 / 25 / 0.668), abs=1)
        assert all(psnr["gaussian", 25, method] > psnr["gaussian", 25, "luma"] + 1 for method in baselines.FILTERS)
    bands = table[[*probes.COLUMNS]].dropna()
    assert bands.index.droplevel(["method", "photo"]).unique().tolist() == [("gaussian", 25)]
    noise, filtered = (bands.xs(name, level="method").mean() for name in ("luma", "sliding_dct"))
    assert noise.is_monotonic_increasing  # white noise relative to detail that falls with frequency
    assert (filtered < noise).all()
    assert filtered.iloc[-1] < noise.iloc[-1] - 3


def test_chroma_and_smoothness_are_compared_with_codes_of_equal_error(
    of_baselines: Evaluation, patch_set: PatchSet
) -> None:
    found = of_baselines.scores["green"]["probes"]
    colour, gray = patch_set.read("colour") / 255, patch_set.read("gray")[..., 0] / 255
    photos, codes = patch_set.index["photo"].to_numpy(), probes.codes_of(gray)
    triangles = dict(zip(pd.unique(photos), leakage.triangles(photos, colour, codes - gray), strict=True))
    chroma = [leakage.of_triangles(triangles, slice(size, size + 1))["chroma_levels"] for size in range(len(codes))]
    rough = [measures.total_variation(code).mean() / measures.total_variation(gray).mean() for code in codes]
    error, errors = np.square(colour[..., 1] - gray).mean(), np.square(codes - gray).mean(axis=(1, 2, 3))
    floor = probes.at_error(error, errors, np.array(chroma), exact=0)
    assert found["chroma_levels"] - found["chroma_excess"] == pytest.approx(floor)
    assert found["smoothness_reference"] == pytest.approx(probes.at_error(error, errors, np.array(rough), exact=1))


@pytest.mark.parametrize(("sees", "makes"), [("colour", "gray"), ("gray", "gray"), ("colour", "colour")])
def test_a_variant_and_all_its_yardsticks_have_scores_and_probes(
    subject: Subject, patch_set: PatchSet, tmp_path: Path, sees: str, makes: str
) -> None:
    small = makes == "gray"  # else the latent has as many numbers as pixels
    network: dict[str, Any] = VAE if small else {"network": "simple"}
    variant(subject, tmp_path, sees, makes, **network)
    result = evaluation.of_variant("mine", tmp_path, subject, WHOLE, tmp_path / "kept", HERE)
    names = ["mine", *(CODES if small else ["mine_luma", "mine_latent_channel"])]
    found, contrast = check(result, names), check_contrast(result, names)
    assert {name: result.facts[name] for name in FACTS} == FACTS
    assert result.facts["latent"] == (100 if small else 144)
    colour, gray = patch_set.read("colour") / 255, patch_set.read("gray")[..., 0] / 255
    seen = colour if sees == "colour" else gray[..., None]
    output = networks.predict(networks.load(tmp_path / "start.keras", 12), seen)
    at_start = scores.averages(scores.measure(gray, scores.planes(output)))
    assert result.facts["start"] == {key: pytest.approx(at_start[key]) for key in ("psnr", "ssim")}
    assert result.pictures["photograph"].shape == ((30, 41, 3) if makes == "colour" else (30, 41))
    meadow = Photographs().read("meadow")
    codes = baselines.codes(100, baselines.fit_pca([gray], len(gray), 100)) if small else {}
    for name, code in codes.items():
        rebuilt = tiles.whole(methods.on_colour(code), meadow, 12)
        rounded = scores.planes(rebuilt[None])[0, 0]
        expected = decolorization.contrast(decolorization.pairs_of(meadow, SETTINGS.seed), rounded)
        assert contrast.loc[(name, "meadow")].to_dict() == pytest.approx(expected)
        assert found[name]["mse"] == pytest.approx(np.square(scores.planes(code(gray, gray))[0] - gray).mean())
        assert found[name]["probes"]["noise"]["gaussian_25"]["psnr"] < found[name]["psnr"] - 1
    for name in codes if sees == "colour" else names:  # these see luma only
        assert found[name]["probes"]["hue_contrast"] < 1e-3
    if small:
        mean, log_variance = networks.encode(networks.load(tmp_path / "model.keras", 12), seen)
        assert log_variance is not None
        nats = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1).mean()
        assert result.facts["kl_nats"] == pytest.approx(nats)
        assert result.facts["active_units"] == (mean.var(axis=0) > 0.01).sum()
    else:
        flat = leakage.hues(12).reshape(-1, 12, 12, 3)
        outputs = networks.predict(networks.load(tmp_path / "model.keras", 12), flat)
        means = baselines.luma(outputs).mean(axis=(1, 2)).reshape(3, 24)
        assert found["mine_luma"]["probes"]["hue_contrast"] == pytest.approx(255 * means.std(axis=1).mean())
        damaged = found["mine_latent_channel"]["probes"]["noise"]
        assert damaged["gaussian_5"]["psnr"] != pytest.approx(damaged["gaussian_25"]["psnr"], rel=1e-6)


def test_a_colour_output_keeps_the_contrast_of_its_channels_on_average() -> None:
    colour = Photographs().read("meadow")
    pairs = decolorization.pairs_of(colour, SETTINGS.seed)
    found = shard.of_whole(bt601(colour) / 255, pairs, 1.5 * (colour / 255) - 0.25)  # is clipped
    stretched = np.rint(255 * np.clip(1.5 * (colour / 255) - 0.25, 0, 1)) / 255
    channels = pd.DataFrame([decolorization.contrast(pairs, stretched[..., channel]) for channel in range(3)])
    assert {name: found[name] for name in channels} == pytest.approx(channels.mean().to_dict())


# === Damage ===


@pytest.fixture
def denoiser(subject: Subject, tmp_path: Path) -> Subject:
    """An untrained network that sees the damage."""
    return variant(subject, tmp_path, "colour_damage", "gray", "denoise", channels=4, blocks=1)


def test_a_denoiser_is_scored_with_estimated_and_true_damage_and_before_training(
    denoiser: Subject, tmp_path: Path
) -> None:
    one_noise = Noise(gaussian=[25], correlated=[], poisson=[], jpeg=[])  # each takes seconds
    subject = replace(denoiser, settings=SETTINGS.model_copy(update={"noise": one_noise}))
    result = evaluation.of_variant("mine", tmp_path, subject, WHOLE, tmp_path / "kept", HERE)
    table = result.tables["restored"].set_index(["method", "kind", "level", "photo"]).sort_index()
    assert len(table) == 3 * 2 * len(WHOLE)
    rows, start, told_truly = (table.loc[name] for name in ("mine", "mine_start", "mine_told"))
    assert (rows["psnr"] != start["psnr"]).all()
    assert (rows["psnr"] - told_truly["psnr"]).loc[("gaussian", 25)].abs().between(1e-9, 2).all()
    for photo in WHOLE["name"]:
        assert rows.loc[("gaussian", 0, photo), "psnr"] > rows.loc[("gaussian", 25, photo), "psnr"] + 10


def test_a_denoiser_sees_the_damage_of_the_whole_photograph_and_leaves_no_seams(
    denoiser: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = samples.leaves(4, 180, 184)
    levels = damage.estimate(photograph)
    assert denoiser.model
    of, model = replace(denoiser, levels=tuple(levels)), networks.load(denoiser.model, 12)
    _, margin = networks.reach(denoiser.model) or (0, 0)
    monkeypatch.setattr(tiles, "TILE", 40)
    found = methods.whole(of, "mine", lambda colour, gray: of.predict(colour, gray)[..., 0], photograph)
    at_once = networks.predict(model, damage.beside(photograph[None] / 255, levels))[0, ..., 0]
    inner = np.s_[margin:-margin, margin:-margin]
    assert found[inner].size > 400
    assert found[inner] == pytest.approx(at_once[inner], abs=1e-9)


# === Data ===


def test_yardsticks_are_fitted_on_training_and_read_outs_on_validation_patches_never_on_test(
    subject: Subject, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    sets: dict[str, Any] = {}
    pairs = {}
    for number, split in enumerate(("train", "validation", "test")):
        colour = rng.integers(0, 256, (150, 12, 12, 3), dtype=np.uint8)
        gray = colour[..., number]  # red, green or blue
        index = pd.DataFrame({"photo": "a", "domain": "everyday", "row": 0, "column": np.arange(150)})
        (tmp_path / split).mkdir()
        samples.write_patches(tmp_path / split, index, colour, gray[..., None], [150])
        sets[split], pairs[split] = tmp_path / split, (colour / 255, gray / 255)
    baseline = replace(subject, **sets)
    naive = variant(baseline, tmp_path / "mine", "colour", "colour", "simple")
    small = replace(variant(baseline, tmp_path / "small", "colour", "gray", **VAE), name="small")
    for each in (baseline, naive, small):
        (tmp_path / each.name).mkdir(exist_ok=True)
        methods.fit(each, tmp_path / each.name)
    assert np.load(tmp_path / "baselines" / methods.FITS)["conv1x1"] == pytest.approx([1, 0, 0, 0], abs=1e-6)
    found = np.load(tmp_path / "small" / methods.FITS)
    mean, directions = baselines.fit_pca([pairs["train"][1]], 150, 100)
    assert found["pca_mean"] == pytest.approx(mean)
    assert np.abs(found["pca_directions"]) == pytest.approx(np.abs(directions), abs=1e-6)
    assert naive.model
    latent, _ = networks.encode(networks.load(naive.model, 12), pairs["validation"][0])
    expected = probes.fit_read_out(probes.latent_and_gray(latent, pairs["validation"][1]))
    assert np.load(tmp_path / "mine" / methods.FITS)["read_out"] == pytest.approx(expected)


def test_whole_photographs_are_of_the_test_split_and_hold_a_patch() -> None:
    rows = [("a", "train", 900, 900), ("b", "test", 1000, 1000), ("c", "test", 8, 900), ("d", "validation", 900, 900)]
    rows += [("e", "test", 600, 1000), ("f", "test", 1000, 1000)]
    manifest = pd.DataFrame(rows, columns=["name", "split", "height", "width"])
    assert evaluation.whole_photographs(manifest, 12, 1.5)["name"].tolist() == ["b", "e"]
    assert evaluation.whole_photographs(manifest, 12, 0.1)["name"].tolist() == ["b"]  # at least one


def test_a_test_set_with_training_or_validation_photographs_is_refused() -> None:
    splits = ["train", "train", "validation", "test"]
    known = pd.DataFrame({"name": ["a", "again", "b", "c"], "split": splits, "sha256": ["11", "11", "22", "33"]})
    new = pd.DataFrame({"name": ["x", "y", "z"], "sha256": ["44", "33", "33"]})
    refuse_known(new, known, "garden")  # photographs of the test split are allowed
    for sha256, words in {"11": "'y' has the same pixels as 'a' of the train", "22": "of the validation"}.items():
        with pytest.raises(ArtifactError, match=rf"^test_sets\.garden: .* 2 of its 3 photographs.* {words} split"):
            refuse_known(new.replace("33", sha256), known, "garden")


# === Chunks ===


def test_chunks_change_nothing_but_the_noise(
    of_baselines: Evaluation, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = Mock(wraps=noise.noisy)
    monkeypatch.setattr(noise, "noisy", noisy)
    parts = evaluation.evaluate(subject, NONE, tmp_path / "parts", HERE)
    assert [call.args[3] for call in noisy.call_args_list] == [[1, chunk] for chunk in range(4) for _ in CONDITIONS]
    pd.testing.assert_frame_equal(parts.tables["scores"], of_baselines.tables["scores"], rtol=1e-12)
    pd.testing.assert_frame_equal(parts.tables["bands"], of_baselines.tables["bands"], rtol=1e-9)
    for method, expected in copy.deepcopy(of_baselines.scores).items():
        found = parts.scores[method]
        other, same = (leaves(each["probes"].pop("noise")) for each in (found, expected))
        assert leaves(found) == pytest.approx(leaves(expected), rel=1e-7, abs=1e-9)
        assert other == pytest.approx(same, rel=0.05)
        assert other != pytest.approx(same, rel=1e-6)
