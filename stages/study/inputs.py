"""The inputs of a run: what training and scoring of its variant declare, and the patches.

Studies are not DVC stages, so `dvc status` and `dvc repro` are about the pipeline alone. Their inputs are those that
dvc.yaml declares for the variant. `origin` identifies them in a row of the table, by the pipeline's model and scores of
the variant: an edit of code that changes neither leaves the runs current. `SettingsError`, `ArtifactError` or
`StageError` if a file is missing or wrong.
"""

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common import settings
from stages.common.artifacts import read_json, read_table, sha256_of
from stages.common.settings import Variant
from stages.common.stage import Declaration, declared, fingerprint
from stages.formats import manifest
from stages.formats.patches import PatchSet
from stages.study import runs
from stages.study.runs import Run

SPLITS = ("train", "validation", "test")
MANIFEST, COUNTS = Path("data/photos/manifest.csv"), Path("data/pairs/counts.csv")
HELD_BACK = 2  # scenes for validation if one scene is left out
MEASURED, PROBED = ("psnr", "ssim", "mse"), ("hue_contrast", "smoothness", "smoothness_reference")  # of rows, too
HEXADECIMALS = 12  # of each sha256 in the table


def declaration(name: str, variant: str) -> Declaration:
    """The inputs that the run `name` of a variant may use: those of `train` and `evaluate` except photographs."""
    train, evaluate = (declared(stage, variant) for stage in ("train", "evaluate"))
    code = [dep for dep in evaluate.deps if dep.parts[0] != "data"]
    deps = [*train.deps, Path("data/pairs/test"), COUNTS, MANIFEST, *_results(variant), Path("stages/study"), *code]
    return Declaration(
        deps=list(dict.fromkeys(deps)),
        params=train.params,
        packages=list(dict.fromkeys([*train.packages, *evaluate.packages])),
        others={runs.PARAMS: [runs.SCENES if name.startswith(f"{runs.SCENES}_") else f"runs.{name}"]},
    )


def shipped(run: Run, variant: Variant) -> Path | None:
    """The folder of the pipeline's model if the run changes nothing, else None."""
    same = variant == settings.load().variants[run.variant] and not (run.photographs or run.leave)
    return _results(run.variant)[0] if same else None


def origin(run: Run) -> dict[str, str]:
    """The columns of a row that tell what the run was made from, each the start of a sha256.

    They are those of the patches of each split, `made_from`, that of all else, and `variant_from`, its variant's part.
    """
    variant = _of_variant(run.variant)
    split = leave_out(run.leave) if run.leave else {}
    made_from = _hash([variant, run.model_dump(), split])
    return {**_data(), "made_from": made_from, "variant_from": variant}


def scenes() -> list[str]:
    """The scenes that have patches, in the order of the manifest; none if there are too few to leave one out."""
    found = list(dict.fromkeys(_photographs()["scene"]))
    return found if len(found) > 1 + HELD_BACK else []


def leave_out(scene: str) -> dict[str, list[str]]:
    """The photographs by split: `scene` is the test, the next two scenes are validation, all others are training."""
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
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:HEXADECIMALS]


@cache
def _data() -> dict[str, str]:
    return {split: PatchSet(Path(f"data/pairs/{split}")).sha256[:HEXADECIMALS] for split in SPLITS}


@cache
def _of_variant(variant: str) -> str:
    model, evaluation = _results(variant)
    code = {path.name: sha256_of(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    params = fingerprint(replace(declaration("", variant), deps=[], packages=[], others={}))
    score = read_json(evaluation)["scores"][variant]
    measured = [*(score[key] for key in MEASURED), *(score["probes"][key] for key in PROBED)]
    return _hash([code, params, sha256_of(model / "model.keras"), measured])


def _results(variant: str) -> tuple[Path, Path]:
    """What the pipeline has made of a variant: its model, and its evaluation."""
    return Path("data/models") / variant, Path("data/evaluations") / variant / "summary.json"
