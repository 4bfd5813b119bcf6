"""Typed, validated params: what params.yaml may say, and the one function that reads it.

No stage's work lives here. The networks' own options are declared beside the networks, in `stages.registry.py`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from stages.registry import NETWORKS

PARAMS = Path("params.yaml")
CELL = 4  # every network halves the patch twice, or cuts it into 4 × 4 cells
RESERVED = ("baselines", "luma", "mean_rgb", "green", "conv1x1")  # rows of the same table
SSIM_WINDOW = 11  # pixels; a patch must hold at least one window of Wang et al. 2004

Conversion = Literal["bt601"]
Loss = Literal["mse", "mae", "mse_ssim"]
VariantName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class SettingsError(Exception):
    """params.yaml, or another input that people write by hand, can't be used; the message says what to change."""


class Section(BaseModel):
    """A part of params.yaml: no unknown key, no silent change of type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fetch(Section):
    """Where photographs come from."""

    source: Literal["bundled"]


class Targets(Section):
    """How gray is made from colour, and patches from photographs."""

    conversion: Conversion
    patch: int = Field(ge=SSIM_WINDOW + 1, le=512, multiple_of=CELL)
    stride: int = Field(ge=1)
    min_contrast: float = Field(ge=0, lt=128)
    shard_patches: int = Field(ge=1)


class Recipe(Section):
    """How one network is trained; `train.recipe` holds the common values, a variant may override each."""

    input: Literal["colour", "gray"]
    target: Literal["gray", "colour"]
    loss: Loss
    batch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=0)
    learning_rate: float = Field(gt=0, le=1)
    schedule: Literal["constant", "cosine"]
    warmup_epochs: int = Field(ge=0)
    flips: bool
    quarter_turns: bool
    seed: int = Field(ge=0, lt=2**31)

    @model_validator(mode="after")
    def warm_up_ends_before_training(self) -> Recipe:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs}) must be below epochs ({self.epochs})")
        return self


class Variant(Recipe):
    """A recipe, the network that it trains, and that network's own options."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    network: str

    @property
    def options(self) -> dict[str, int | float]:
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def options_are_those_of_the_network(self) -> Variant:
        if self.network not in NETWORKS:
            raise ValueError(f"unknown network {self.network!r}; known are {', '.join(NETWORKS)}")
        ranges = NETWORKS[self.network]
        for key, value in self.options.items():
            if key not in ranges:
                raise ValueError(
                    f"unknown key {key!r}; a recipe has {', '.join(Recipe.model_fields)}, "
                    f"and network {self.network!r} has {', '.join(ranges) or 'no option'}"
                )
            _check_option(key, value, *ranges[key])
        missing = [key for key in ranges if key not in self.options]
        if missing:
            raise ValueError(f"network {self.network!r} needs {', '.join(missing)}")
        return self


def _check_option(key: str, value: Any, low: float, high: float) -> None:
    kind = type(low)
    right_type = type(value) is int or (kind is float and type(value) is float)
    if not (right_type and math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{key} is {value!r}; it must be {kind.__name__} from {low} to {high}")


class Train(Section):
    """How TensorFlow computes while it trains, and the recipe that variants share."""

    precision: Literal["float32", "float64"]
    threads: int = Field(ge=1, le=64)
    recipe: Recipe


class Evaluate(Section):
    """How TensorFlow computes while it scores, what the pictures show, and what chance the probes take."""

    threads: int = Field(ge=1, le=64)
    picture_rows: int = Field(ge=1, le=16)
    noise_levels: list[Annotated[int, Field(ge=1, le=128)]] = Field(min_length=1)
    bootstrap: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0, lt=2**31)


class Settings(Section):
    """The whole of params.yaml, checked; `variants` are complete, their defaults filled in."""

    fetch: Fetch
    targets: Targets
    train: Train
    evaluate: Evaluate
    variants: dict[VariantName, Variant] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def variants_override_the_common_recipe(cls, raw: Any) -> Any:
        try:
            common, variants = dict(raw["train"]["recipe"]), dict(raw["variants"])
            complete = {name: {**common, **overrides} for name, overrides in variants.items()}
        except (KeyError, TypeError, ValueError):
            return raw  # the shape is wrong: let the fields say where
        return {**raw, "variants": complete}

    @model_validator(mode="after")
    def names_are_free(self) -> Settings:
        for name in self.variants:
            if name in RESERVED or name.startswith("pca_"):
                raise ValueError(f"variants.{name}: the name is taken by a baseline")
        return self


def load(path: Path = PARAMS) -> Settings:
    """Read and check the whole params file.

    Raises:
        SettingsError: the file is missing, is not YAML, or says something impossible; names each key.
    """
    try:
        raw = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: not found; run from the top of the repository") from error
    except YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    return check(raw, str(path))


def check(raw: Any, source: str) -> Settings:
    """Validate params that are already parsed; `source` names them in the message of a `SettingsError`."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        errors = error.errors()
        if any(item["loc"][:2] == ("train", "recipe") for item in errors):  # each variant repeats the common fault
            errors = [item for item in errors if item["loc"][0] != "variants"]
        raise SettingsError("\n".join(_explain(source, item) for item in errors)) from error


def _explain(source: str, item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"] if part != "[key]") or "(top level)"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"unknown key; allowed are {', '.join(_siblings(item['loc']))}"
    elif item["type"] == "missing":
        message = "missing; it has no default"
    else:
        shown = repr(item["input"])
        message += f" (it is {shown})" if len(shown) < 80 else ""
    return f"{source}: {key}: {message}"


def _siblings(location: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields)


def main() -> None:
    """`python -m stages.settings`: check params.yaml and say what is wrong with it."""
    try:
        load()
    except SettingsError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
