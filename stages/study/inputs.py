"""What a run is made from: the code, params and packages that its training and its scoring declare, and the patches.

Studies are no DVC stages, so that `dvc status` and `dvc repro` are about the pipeline alone. Their inputs are those
that dvc.yaml declares for the variant; `made_from` and `data` identify them in a row of the table.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from stages.common import stage as door
from stages.common.stage import Declaration
from stages.formats.patches import PatchSet
from stages.networks.registry import NETWORKS
from stages.study import runs
from stages.study.runs import Run

SPLITS = ("train", "validation", "test")
HEXADECIMALS = 12  # of each sha256 in the table


def declaration(name: str, variant: str) -> Declaration:
    """What the run `name` of a variant may use: what `train` and `evaluate` declare, but no model and no photograph.

    Raises:
        StageError: dvc.yaml has no such stages.
    """
    train, evaluate = (door.declared(stage, variant) for stage in ("train", "evaluate"))
    deps = [*train.deps, Path("data/pairs/test"), Path("stages/study"), *_code(evaluate)]
    return Declaration(
        deps=list(dict.fromkeys(deps)),
        params=train.params,
        packages=list(dict.fromkeys([*train.packages, *evaluate.packages])),
        others={runs.PARAMS: [f"runs.{name}"]},
    )


def made_from(run: Run) -> str:
    """The start of a sha256 of all that a run is made from, the patches apart."""
    found = [_of_variant(run.variant), run.model_dump(), NETWORKS[run.variant]]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:HEXADECIMALS]


def data() -> dict[str, str]:
    """The start of each patch set's sha256, by split.

    Raises:
        ArtifactError: data/pairs is not there, or not whole.
    """
    return {split: PatchSet(Path(f"data/pairs/{split}")).sha256[:HEXADECIMALS] for split in SPLITS}


@cache
def _of_variant(variant: str) -> str:
    declared = declaration("", variant)
    fingerprint = door.fingerprint(replace(declared, deps=_code(declared), others={}))
    return hashlib.sha256(json.dumps(sorted(fingerprint.items())).encode()).hexdigest()


def _code(declared: Declaration) -> list[Path]:
    return [dep for dep in declared.deps if dep.parts[0] != "data"]
