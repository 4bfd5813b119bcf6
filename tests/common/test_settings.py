"""An invalid params.yaml is refused with a message that names the key."""

import copy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.common import settings
from stages.common.settings import SettingsError
from stages.evaluate import baselines
from stages.report import summary
from tests.conftest import REPOSITORY

RAW: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / "params.yaml")
MISSING = object()


def changed(key: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    *sections, last = key.split(".")
    section = raw
    for part in sections:
        section = section[part]
    section[last] = value
    if value is MISSING:
        del section[last]
    return raw


def test_the_committed_params_are_valid_and_a_variant_overrides_the_common_recipe() -> None:
    assert list(settings.load(REPOSITORY / "params.yaml").variants) == list(RAW["variants"])
    checked = settings.check(changed("variants.simple.budget", 5000), "params.yaml")
    assert checked.variants["simple"].budget == 5000
    assert checked.variants["naive"].budget == RAW["train"]["recipe"]["budget"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("targets.patch", 30, ["targets.patch", "multiple of 4", "30"]),
        ("targets.colour", True, ["targets.colour: unknown key"]),
        ("train.recipe.flips", 1, ["train.recipe.flips", "valid boolean"]),
        ("train.recipe.warmup", 10**6, ["train.recipe", "warmup (1000000) must be below budget"]),
        ("train.precision", "float16", ["train.precision", "'float64', 'float32', 'mixed_float16' or"]),
        ("train.replicas", 3, ["variants.simple.batch (16) must be a multiple of train.replicas (3)"]),
        ("evaluate.noise.gaussian", [5, 0], ["evaluate.noise.gaussian.1", "greater than or equal to 1"]),
        ("evaluate", MISSING, ["evaluate: missing"]),
        ("variants", {}, ["variants", "at least 1"]),
        ("variants.simple.network", "resnet", ["variants.simple", "unknown network 'resnet'", "bottleneck"]),
        ("variants.simple.epochs", 3, ["variants.simple", "unknown key 'epochs'", "budget", "no option"]),
        ("variants.vae.sigma", 5.0, ["variants.vae", "sigma is 5.0", "from 0.001 to 1.0"]),
        ("variants.vae.latent", 2.5, ["variants.vae", "latent is 2.5", "int from 1 to 784"]),
        ("variants.vae", {"network": "vae"}, ["variants.vae", "needs latent, sigma"]),
        ("variants.baselines", {"network": "simple"}, ["variants.baselines", "taken"]),
        ("variants.pca_9", {"network": "simple"}, ["variants.pca_9", "taken"]),
        ("variants.dct_radial_9", {"network": "simple"}, ["variants.dct_radial_9", "taken"]),
        ("variants.naive_luma", {"network": "simple"}, ["variants.naive_luma", "taken by the luma of naive"]),
        ("variants.x; touch f", {"network": "simple"}, ["variants.x; touch f", "pattern"]),
        ("fetch.inputs", "x\0y", ["fetch.inputs", "pattern"]),
        ("variants." + "x" * 51, {"network": "simple"}, ["at most 50 characters"]),
    ],
)
def test_an_invalid_value_is_refused_in_one_line_with_its_key(key: str, value: Any, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.check(changed(key, value), "params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml: ")
    assert len(message.splitlines()) == 1
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    "text", ["", "- 1", "variants: [1]", "train: 3", "a: [", "variants: {a: null}", "a: 2001-99-99", "!!bool x"]
)
def test_a_file_of_another_shape_or_a_missing_one_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(SettingsError, match=r"params\.yaml: not found"):
        settings.load(path)
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"params\.yaml: "):
        settings.load(path)


ALIASES = ["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]


@pytest.mark.parametrize(
    "text",
    ["\n".join(ALIASES), "a: &a [*a]", "[" * 100_000, f"[{'1, ' * 300_000}]"],
    ids=["aliases of aliases", "an alias in itself", "deep", "long"],
)
def test_a_yaml_bomb_is_refused_before_it_is_expanded(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="holds more than"):
        settings.read_yaml(path)


def test_ordinary_aliases_are_read(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("a: &a {b: &b [1, 2]}\nc: [*a, *b, &d 3, *d]\n")
    assert settings.read_yaml(tmp_path / "dvc.yaml") == {"a": {"b": [1, 2]}, "c": [{"b": [1, 2]}, [1, 2], 3, 3]}


def test_the_names_of_baselines_are_reserved() -> None:
    assert set(baselines.CLOSED_FORMS) | {"conv1x1", "baselines", "target"} == set(settings.RESERVED)
    assert set(baselines.CLOSED_FORMS) == set(summary.CLOSED_FORMS)
