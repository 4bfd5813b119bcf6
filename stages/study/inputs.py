"""What a run is made from: what its training and its scoring declare, and the patches.

Studies are no DVC stages, so that `dvc status` and `dvc repro` are about the pipeline alone. Their inputs are those
that dvc.yaml declares for the variant. `made_from` and `data` identify them in a row of the table: by what the pipeline
makes of the variant, so that an edit of code which leaves its weights and scores as they are leaves its runs, too.
"""

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common import settings
from stages.common import stage as door
from stages.common.artifacts import read_json, read_table, sha256_of
from stages.common.settings import Variant
from stages.common.stage import Declaration
from stages.formats import manifest
from stages.formats.patches import PatchSet
from stages.study import runs
from stages.study.runs import Run

SPLITS = ("train", "validation", "test")
MANIFEST, COUNTS = Path("data/photos/manifest.csv"), Path("data/pairs/counts.csv")
HELD_BACK = 2  # scenes of validation, where a scene is left out
MEASURED, PROBED = ("psnr", "ssim", "mse"), ("hue_contrast", "smoothness", "smoothness_reference")  # of rows, too
HEXADECIMALS = 12  # of each sha256 in the table


def declaration(name: str, variant: str) -> Declaration:
    """What the run `name` of a variant may use: what `train` and `evaluate` declare, but no photograph.

    Raises:
        StageError: dvc.yaml has no such stages.
        SettingsError: dvc.yaml or params.yaml is missing or wrong.
    """
    train, evaluate = (door.declared(stage, variant) for stage in ("train", "evaluate"))
    code = [dep for dep in evaluate.deps if dep.parts[0] != "data"]
    deps = [*train.deps, Path("data/pairs/test"), COUNTS, MANIFEST, *_results(variant), Path("stages/study"), *code]
    return Declaration(
        deps=list(dict.fromkeys(deps)),
        params=train.params,
        packages=list(dict.fromkeys([*train.packages, *evaluate.packages])),
        others={runs.PARAMS: [runs.SCENES if name.startswith(f"{runs.SCENES}_") else f"runs.{name}"]},
    )


def shipped(run: Run, variant: Variant) -> Path | None:
    """The folder in which `train` has left the model of a run that changes nothing; None if it changes something.

    Raises:
        SettingsError: params.yaml is missing or wrong.
    """
    same = variant == settings.load().variants[run.variant] and not (run.photographs or run.leave)
    return _results(run.variant)[0] if same else None


def made_from(run: Run) -> dict[str, str]:
    """The start of a sha256 of all that a run is made from, the patches apart, and of it what its variant's share.

    Raises:
        ArtifactError, StageError: the pipeline's results of the variant are missing.
        SettingsError: params.yaml, studies.yaml or dvc.yaml is missing or wrong.
    """
    variant = _of_variant(run.variant)
    split = leave_out(run.leave) if run.leave else {}
    return {"made_from": _hash([variant, run.model_dump(), split]), "variant_from": variant}


def scenes() -> list[str]:
    """The scenes of the photographs that have patches, in the order of their manifest; none where they are too few.

    Raises:
        ArtifactError: data/photos or data/pairs is not there.
    """
    found = list(dict.fromkeys(_photographs()["scene"]))
    return found if len(found) > 1 + HELD_BACK else []


def leave_out(scene: str) -> dict[str, list[str]]:
    """The photographs by split where `scene` alone is tested: the next two, in turn, validate, all others train.

    Raises:
        ArtifactError: data/photos or data/pairs is not there.
        ValueError: there is no such scene.
    """
    photographs = _photographs()
    order = list(dict.fromkeys(photographs["scene"]))
    start = order.index(scene)
    order = order[start:] + order[:start]
    parts = {"test": order[:1], "validation": order[1 : 1 + HELD_BACK], "train": order[1 + HELD_BACK :]}
    return {split: photographs["name"][photographs["scene"].isin(part)].tolist() for split, part in parts.items()}


def _photographs() -> pd.DataFrame:
    counts = read_table(COUNTS, text=("photo",))
    table = manifest.rows(MANIFEST)
    return table[table["name"].isin(counts["photo"][counts["kept"] > 0])]


def _hash(found: Any) -> str:
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:HEXADECIMALS]


def data() -> dict[str, str]:
    """The start of each patch set's sha256, by split.

    Raises:
        ArtifactError: data/pairs is not there, or not whole.
    """
    return {split: PatchSet(Path(f"data/pairs/{split}")).sha256[:HEXADECIMALS] for split in SPLITS}


@cache
def _of_variant(variant: str) -> str:
    model, evaluation = _results(variant)
    own = replace(declaration("", variant), deps=[Path("stages/study")], packages=[], others={})
    found = sorted(door.fingerprint(own).items())
    score = read_json(evaluation)["scores"][variant]
    measured = [*(score[key] for key in MEASURED), *(score["probes"][key] for key in PROBED)]
    return _hash([found, sha256_of(model / "model.keras"), measured])


def _results(variant: str) -> tuple[Path, Path]:
    """What the pipeline has made of a variant: its model, and its evaluation."""
    return Path("data/models") / variant, Path("data/evaluations") / variant / "summary.json"
