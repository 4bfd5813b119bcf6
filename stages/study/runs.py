"""What studies.yaml may say: runs, each a variant of params.yaml with something changed.

How a run is done stands in `stages.study.work`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from stages.common import settings
from stages.common.settings import Name, Section, SettingsError, Train, Variant

PARAMS = Path("studies.yaml")

NAME = TypeAdapter(Name)


class Run(Section):
    """One entry of `runs`: the study that it belongs to, its variant, and what is changed."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    study: Literal["latent", "photographs", "loss", "sigma", "seeds", "control", "augmentation"]
    variant: str
    photographs: int | None = Field(default=None, ge=1)

    @property
    def overrides(self) -> dict[str, Any]:
        """Keys of the variant, with the values that they have in this run."""
        return dict(self.model_extra or {})


def check(name: str, raw: Any, variants: dict[str, Variant], train: Train) -> tuple[Run, Variant]:
    """Validate the run `name` as it is written in studies.yaml.

    Args:
        name: its key.
        raw: its value.
        variants: those of params.yaml, or at least that of the run.
        train: that of params.yaml.

    Returns:
        The run, and its variant with everything changed that the run changes.

    Raises:
        SettingsError: the run says something impossible; a line for each fault, with the file and the key.
    """
    key = f"{PARAMS}: runs.{name}"
    try:
        NAME.validate_python(name)
        run = Run.model_validate(raw)
        if run.variant not in variants:
            raise SettingsError(
                f"{key}.variant: no variant {run.variant!r} in params.yaml; it has {', '.join(variants)}"
            )
        variant = variants[run.variant]
        if variant.network != run.variant:  # its file is a dependency in dvc.yaml, by the variant's name
            raise SettingsError(
                f"{key}.variant: {run.variant!r} has network {variant.network!r}; "
                "studies take variants that are named as their network"
            )
        if "network" in run.overrides:
            raise SettingsError(f"{key}.network: a run keeps the network of its variant; name another variant")
        changed = Variant.model_validate({**variant.model_dump(), **run.overrides})
        train.require_equal_parts(f"runs.{name}", changed.batch)
        return run, changed
    except ValidationError as error:
        faults = [settings.explain(str(PARAMS), item, section=f"runs.{name}") for item in error.errors()]
        raise SettingsError("\n".join(faults)) from error
    except ValueError as error:
        raise SettingsError(f"{PARAMS}: {error}") from error


def load() -> dict[str, tuple[Run, Variant]]:
    """Read and check params.yaml and all of studies.yaml: name → run and complete variant, in the file's order.

    Raises:
        SettingsError: a file is missing, is not YAML, or says something impossible; names each key.
    """
    checked, raw = settings.load(), settings.read_yaml(PARAMS)
    if not isinstance(raw, dict) or list(raw) != ["runs"] or not isinstance(raw["runs"], dict) or not raw["runs"]:
        raise SettingsError(f"{PARAMS}: must have one key, `runs`, with at least one run under it")
    found, faults = {}, []
    for name, run in raw["runs"].items():
        try:
            found[name] = check(name, run, checked.variants, checked.train)
        except SettingsError as error:
            faults.append(str(error))
    if faults:
        raise SettingsError("\n".join(faults))
    return found
