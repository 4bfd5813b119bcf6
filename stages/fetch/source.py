"""What a source of photographs is: a module, found by its name, with `Settings` and a function `plan`.

`Settings` are its keys in params.yaml. A plan is a list of items to read; each gives a photograph, or a reason why not.
"""

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from stages.common.settings import PARAMS, Photographs, Section, SettingsError, explain
from stages.fetch import sources

# === Plans ===


@dataclass(frozen=True)
class Photograph:
    """A photograph and what its manifest row says of it."""

    name: str  # unique in its set; for a file, its path below the folder, with `/`
    pixels: np.ndarray  # (height, width, 3) uint8, sRGB, upright
    source: str  # its package, folder, archive or repository, without paths of this machine
    licence: str
    domain: str  # everyday, histology, …; scores are also given by domain
    split: str | None = None  # if the source decides
    scene: str | None = None  # photographs of one scene share a split; None: only copies form a scene


@dataclass(frozen=True)
class Skipped:
    """A file that gives no photograph."""

    name: str
    reason: str  # the same on every machine
    fault: bool = True  # False for files that are no images, such as text; they are only counted


@dataclass(frozen=True)
class Plan:
    """What a source has to read, picklable; making a plan decodes no photograph."""

    read: Callable[[Any], Photograph | Skipped]  # reads an item
    items: Sequence[Any]
    sizes: Sequence[int]  # bytes of each item's file; 0 for small items, which are only counted
    skipped: Sequence[Skipped] = ()  # files that are not read


# === Settings ===


class Split(Section):
    """How photographs are split; `validation` and `test` are shares, and the rest is for training."""

    by: Literal["hash", "subfolder"] = "hash"
    validation: float = Field(default=0.15, ge=0, lt=1)
    test: float = Field(default=0.15, ge=0, lt=1)

    @model_validator(mode="after")
    def check_shares(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError(f"validation ({self.validation}) and test ({self.test}) leave nothing to train on")
        return self


class Source(Section):
    """The keys of every source. `inputs` is the file or folder that DVC watches; a test set has no `split`."""

    source: str
    inputs: str = Field(min_length=1)
    split: Split | None = Split()

    @property
    def origin(self) -> str:
        """What is read, for messages; without passwords and paths of this machine."""
        return self.inputs


class ImageFiles(Source):
    """The keys of sources that read image files."""

    domain: str = Field(default="everyday", min_length=1)
    matte: list[Annotated[int, Field(ge=0, le=255)]] = Field(default=[255, 255, 255], min_length=3, max_length=3)
    strict: bool = False


def known() -> list[str]:
    """The names of all sources."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__))


def find(name: str) -> Any:
    """The module of a source; it has `Settings` and `plan`."""
    return import_module(f"{sources.__name__}.{name}")


def read(key: str, given: Photographs) -> Any:
    """The `Settings` of a source, with its defaults; `split` is None for a test set.

    `key` is their place in params.yaml, `fetch` or `test_sets.<name>`. Keys with a null value count as missing.
    `SettingsError` names an unknown source, and each key that is unknown, missing or invalid.
    """
    if given.source not in known():
        raise SettingsError(f"{PARAMS}: {key}.source: unknown source {given.source!r}; known are {', '.join(known())}")
    values = {name: value for name, value in given.model_dump().items() if value is not None}
    model = find(given.source).Settings
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(explain(str(PARAMS), item, key) for item in error.errors())) from error
    if key == "fetch":
        return settings
    if "split" in values:
        raise SettingsError(f"{PARAMS}: {key}.split: all of a test set is for testing; leave it out")
    return settings.model_copy(update={"split": None})
