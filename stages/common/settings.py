"""Read and validate params.yaml.

The options of networks are listed in `stages/networks/registry.py`. The keys of sources and the names of conversions
are checked by the stages that use them, and by `python -m stages.check`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from stages.networks.registry import NETWORKS

PARAMS = Path("params.yaml")
RESERVED = ("baselines", "target", "luma", "mean_rgb", "green", "conv1x1")  # rows of the same tables
MAX_VALUES = 200_000  # of a YAML file with its aliases expanded
MAX_DEPTH = 50

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=50)]


class SettingsError(Exception):
    """A file that people write, such as params.yaml, is invalid; the message says what to change."""


class Section(BaseModel):
    """A section of params.yaml: unknown keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Photographs(BaseModel):
    """Where photographs come from; the module of the source checks the other keys."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    source: str
    inputs: str = Field(pattern=r"^[^\x00]+$")


class Targets(Section):
    """How photographs are converted and cut into patches."""

    conversion: str
    patch: int = Field(ge=12, le=512, multiple_of=4)  # SSIM needs 11 pixels (Wang et al. 2004), networks divide by 4
    stride: int = Field(ge=1)
    min_contrast: float = Field(ge=0, lt=128)
    shard_patches: int = Field(ge=1)


class Recipe(Section):
    """How a network is trained; a variant may override each value of `train.recipe`."""

    input: Literal["colour", "gray", "colour_damage"]
    target: Literal["gray", "colour"]
    loss: Literal["mse", "mae", "mse_ssim", "log_mse", "log_visible"]
    batch: int = Field(ge=1)
    budget: int = Field(ge=1)
    patience: int = Field(ge=0)
    learning_rate: float = Field(gt=0, le=1)
    schedule: Literal["constant", "cosine"]
    warmup: int = Field(ge=0)
    flips: bool
    quarter_turns: bool
    join: int = Field(ge=1, le=8)
    degrade: float = Field(ge=0, le=128)
    seed: int = Field(ge=0, lt=2**31)

    @model_validator(mode="after")
    def check_warmup_and_degrade(self) -> "Recipe":
        if self.warmup >= self.budget:
            raise ValueError(f"warmup ({self.warmup}) must be below budget ({self.budget})")
        if self.degrade and self.input == "gray":
            raise ValueError("degrade damages colour; it needs input colour or colour_damage")
        return self


class Variant(Recipe):
    """A recipe, the network that it trains, and the options of that network."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    network: str

    @property
    def options(self) -> dict[str, int | float]:
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def check_network_and_options(self) -> "Variant":
        if self.network not in NETWORKS:
            raise ValueError(f"unknown network {self.network!r}; known are {', '.join(NETWORKS)}")
        ranges = NETWORKS[self.network]
        for key, value in self.options.items():
            if key not in ranges:
                raise ValueError(
                    f"unknown key {key!r}; a recipe has {', '.join(Recipe.model_fields)}, "
                    f"and network {self.network!r} has {', '.join(ranges) or 'no option'}"
                )
            low, high = ranges[key]
            if type(value) not in (int, type(low)) or not low <= value <= high:  # False for NaN
                raise ValueError(f"{key} is {value!r}; it must be {type(low).__name__} from {low} to {high}")
        if missing := [key for key in ranges if key not in self.options]:
            raise ValueError(f"network {self.network!r} needs {', '.join(missing)}")
        return self


class Train(Section):
    """How TensorFlow computes in training, and the default recipe."""

    device: Literal["cpu", "gpu"]
    precision: Literal["float64", "float32", "mixed_float16", "mixed_bfloat16"]
    threads: int = Field(ge=1, le=64)
    replicas: int = Field(ge=1, le=64)
    recipe: Recipe

    def require_equal_parts(self, name: str, batch: int) -> None:
        """Raise `ValueError` unless the replicas can share a batch equally; `name` is the key of the variant."""
        if batch % self.replicas:
            raise ValueError(f"{name}.batch ({batch}) must be a multiple of train.replicas ({self.replicas})")


class Noise(Section):
    """The levels of each kind of noise at which methods are scored."""

    gaussian: list[Annotated[int, Field(ge=1, le=128)]] = Field(min_length=1)
    correlated: list[Annotated[int, Field(ge=1, le=128)]]
    poisson: list[Annotated[int, Field(ge=1, le=1_000_000)]]
    jpeg: list[Annotated[int, Field(ge=1, le=95)]]


class Evaluate(Section):
    """How methods are scored."""

    threads: int = Field(ge=1, le=64)
    megapixels: float = Field(gt=0)
    noise: Noise
    seed: int = Field(ge=0, lt=2**31)


class Settings(Section):
    """The whole of params.yaml; `variants` have their defaults filled in."""

    fetch: Photographs
    test_sets: dict[Name, Photographs]
    targets: Targets
    train: Train
    evaluate: Evaluate
    variants: dict[Name, Variant] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def fill_in_variants(cls, raw: Any) -> Any:
        try:
            common, variants = dict(raw["train"]["recipe"]), dict(raw["variants"])
            complete = {name: {**common, **overrides} for name, overrides in variants.items()}
        except (KeyError, TypeError, ValueError):
            return raw  # of another shape; the fields report it
        return {**raw, "variants": complete}

    @model_validator(mode="after")
    def check_names_and_replicas(self) -> "Settings":
        for name, variant in self.variants.items():
            if name in RESERVED or name.startswith(("pca_", "dct_")):
                raise ValueError(f"variants.{name}: the name is taken by a baseline")
            if name.removesuffix("_luma") in self.variants.keys() - {name}:
                raise ValueError(f"variants.{name}: the name is taken by the luma of {name.removesuffix('_luma')}")
            self.train.require_equal_parts(f"variants.{name}", variant.batch)
        return self


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; `SettingsError` if it is missing, invalid, or expands to too much."""
    try:
        content = path.read_bytes()
        _refuse_bomb(content, path)
        return YAML(typ="safe").load(content)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: not found; run from the top of the repository") from error
    except (YAMLError, ValueError, LookupError) as error:  # it raises these for "2001-99-99" and "!!bool x"
        raise SettingsError(f"{path}: not valid YAML: {error}") from error


def _refuse_bomb(content: bytes, path: Path) -> None:
    """Raise `SettingsError` before aliases are expanded: ten lines of aliases to aliases can stand for gigabytes."""
    values = 0
    sizes: dict[str | None, int] = {}  # anchor → number of values
    around: list[tuple[str | None, int]] = []  # anchor of each open collection, and the number of values before it
    for event in YAML(typ="safe").parse(content):
        if isinstance(event, AliasEvent):
            values += sizes.get(event.anchor, MAX_VALUES)  # unknown: an alias inside its own anchor
        elif isinstance(event, CollectionEndEvent):
            anchor, before = around.pop()
            sizes[anchor] = values - before
        elif isinstance(event, NodeEvent):
            sizes[event.anchor] = 1
            if isinstance(event, CollectionStartEvent):
                around.append((event.anchor, values))
                sizes.pop(event.anchor)
            values += 1
        if values > MAX_VALUES or len(around) > MAX_DEPTH:
            raise SettingsError(f"{path}: holds more than {MAX_VALUES:,} values, or more than {MAX_DEPTH} levels")


def load(path: Path = PARAMS) -> Settings:
    """Read and check params.yaml; `SettingsError` names each key that is wrong."""
    return check(read_yaml(path), str(path))


def check(raw: Any, source: str) -> Settings:
    """Validate parsed params; `SettingsError` names each key that is wrong, and `source`."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        errors = error.errors()
        if any(item["loc"][:2] == ("train", "recipe") for item in errors):  # each variant repeats the error
            errors = [item for item in errors if item["loc"][0] != "variants"]
        raise SettingsError("\n".join(explain(source, item) for item in errors)) from error


def explain(source: str, item: Any, section: str = "") -> str:
    """One line for a pydantic error: the file, the key, what is wrong. `section` is the key of what was checked."""
    parts = [section, *item["loc"]] if section else item["loc"]
    key = ".".join(str(part) for part in parts if part != "[key]") or "(top level)"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = "unknown key; correct its spelling, or remove it"
    elif item["type"] == "missing":
        message = "missing; it has no default"
    else:
        shown = repr(item["input"])
        message += f" (it is {shown})" if len(shown) < 80 else ""
    return f"{source}: {key}: {message}"
