"""The schema of studies.yaml: runs, each a variant of params.yaml with changes, and the study of left-out scenes."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from stages.common import settings
from stages.common.settings import Name, Section, Settings, SettingsError, Variant

PARAMS = Path("studies.yaml")

SCENES = "scenes"

Study = Literal["seeds", "latent", "photographs", "loss", "sigma", "control", "augmentation", "original", "scenes"]


class Scenes(Section):
    """The entry `scenes`: a run of each variant for each scene that is left out, at most so many."""

    variants: list[str] = Field(min_length=1)
    at_most: int = Field(ge=1)


class Studies(Section):
    """The content of studies.yaml; each run is checked with its variant."""

    runs: dict[Name, Any] = Field(min_length=1)
    scenes: Scenes | None = None


class Run(Section):
    """One entry of `runs`, or a run of the study of scenes: its study, its variant, and its changes."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    study: Study
    variant: str
    photographs: int | None = Field(default=None, ge=1)
    leave: str | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The keys of the variant that this run changes, with their values."""
        return dict(self.model_extra or {})


def _check(name: str, raw: Any, checked: Settings) -> tuple[Run, Variant]:
    """The run `name` of studies.yaml, and its variant of params.yaml with the changes.

    `SettingsError` has a line per fault, with the file and the key.
    """
    key, variants = f"{PARAMS}: runs.{name}", checked.variants
    try:
        run = Run.model_validate(raw)
        if run.variant not in variants:
            raise SettingsError(
                f"{key}.variant: no variant {run.variant!r} in params.yaml; it has {', '.join(variants)}"
            )
        variant = variants[run.variant]
        if "network" in run.overrides:
            raise SettingsError(f"{key}.network: a run keeps the network of its variant; name another variant")
        changed = Variant.model_validate({**variant.model_dump(), **run.overrides})
        checked.train.require_equal_parts(f"runs.{name}", changed.batch)
        return run, changed
    except ValidationError as error:
        faults = [settings.explain(str(PARAMS), item, section=f"runs.{name}") for item in error.errors()]
        raise SettingsError("\n".join(faults)) from error
    except ValueError as error:
        raise SettingsError(f"{PARAMS}: {error}") from error


def load(scenes: Sequence[str] = ()) -> dict[str, tuple[Run, Variant]]:
    """Read and check params.yaml and all of studies.yaml: name → run and complete variant, in the file's order.

    `scenes` are those of the photographs, in the order of their manifest. `SettingsError` names each key that is wrong.
    """
    checked = settings.load()
    try:
        studies = Studies.model_validate(settings.read_yaml(PARAMS))
    except ValidationError as error:
        faults = [settings.explain(str(PARAMS), item) for item in error.errors()]
        raise SettingsError("\n".join(faults)) from error
    entries = {**studies.runs, **(_of_scenes(studies.scenes, scenes) if studies.scenes else {})}
    found, faults = {}, []
    for name, run in entries.items():
        try:
            found[name] = _check(name, run, checked)
        except SettingsError as error:
            faults.append(str(error))
    if faults:
        raise SettingsError("\n".join(faults))
    return found


def _of_scenes(study: Scenes, scenes: Sequence[str]) -> dict[str, dict[str, str]]:
    """The runs of the study of scenes by name: one for each of its variants and each of the first scenes."""
    return {
        f"{SCENES}_{variant}_{_as_name(scene)}": {"study": SCENES, "variant": variant, "leave": scene}
        for scene in scenes[: study.at_most]  # scene by scene, so that a stopped study has some of every variant
        for variant in study.variants
    }


def _as_name(scene: str) -> str:
    """The scene in lower-case letters, digits and _; with digits of its hash if that changed it."""
    plain = re.sub(r"[^a-z0-9]+", "_", scene.lower())
    return plain if plain == scene else f"{plain}_{hashlib.sha256(scene.encode()).hexdigest()[:6]}"
