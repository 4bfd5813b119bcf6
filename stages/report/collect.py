"""Reads the results of evaluations, training, studies and peers. Nothing is read per patch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.artifacts import ArtifactError, read_json, read_table, sha256_of
from stages.report import summary

MODELS, EVALUATIONS = Path("data/models"), Path("data/evaluations")
TEST_SETS = EVALUATIONS / "test_sets"
BASELINES = "baselines"
STUDIES = Path("metrics/studies.csv")
PEERS, PEER_OF = Path("metrics/peers.csv"), "denoise"  # other programs' filters, see `benchmarks.denoising`
PEERS_TEXT = ("photographs", "photo", "model")  # columns; `model` is the start of its sha256
HEXADECIMALS = 12  # of that
SPLITS = ("train", "validation", "test")  # columns of the studies: the start of each patch set's sha256
ORIGIN = ("made_from", "variant_from")  # the start of a sha256 of what made a run, and of what its variant's runs share
TEXT = ("photo", "domain")  # columns, whatever stands in them


@dataclass(frozen=True)
class Results:
    """Everything that the report shows."""

    variants: list[str]  # in the order of params.yaml
    evaluations: dict[str, Any]  # of `baselines` and of each variant, its summary: scores, probes, hashes of its inputs
    methods: pd.DataFrame  # see `summary.methods`
    probes: pd.DataFrame  # see `summary.probes`
    curves: pd.DataFrame  # variant, epoch, loss, val_loss, psnr, val_psnr
    distributions: pd.DataFrame  # see `summary.distributions`
    bands: pd.DataFrame  # method, low, high, relative_error_db
    contrast: pd.DataFrame  # method, photo, domain, and the measures of decolorization
    conversions: pd.DataFrame  # the same by conversion
    restored: pd.DataFrame  # of damaged photographs: kind, level, method, photo, domain, psnr, ssim
    restored_sets: dict[str, pd.DataFrame]  # by test set, the same
    peers: dict[str, pd.DataFrame]  # by name of the photographs, see `peers`
    test_sets: dict[str, pd.DataFrame]  # by name, `methods` of each with its means of `contrast`
    studies: pd.DataFrame  # see `studies`
    pictures: dict[str, dict[str, bytes]]  # by evaluation and name, PNG files


def refuse_others(variants: list[str], test_sets: list[str]) -> None:
    """`ArtifactError` if there are results of others, which DVC would hash as inputs of the report."""
    owners = {MODELS: variants, EVALUATIONS: [BASELINES, *variants, TEST_SETS.name], TEST_SETS: test_sets}
    others = [path for folder, names in owners.items() for path in folder.glob("[!.]*") if path.name not in names]
    if others:
        raise ArtifactError(
            f"{', '.join(map(str, sorted(others)))}: of no variant or test set in params.yaml; `dvc checkout` removes "
            "what another branch left, and anything else must lie elsewhere"
        )


def collect(variants: list[str], test_sets: list[str]) -> Results:
    """Read the results of `variants` and `test_sets` only; `ArtifactError` if a file is missing."""
    names = [BASELINES, *variants]
    training = {name: read_json(MODELS / name / "facts.json") for name in variants}
    evaluations = {name: read_json(EVALUATIONS / name / "summary.json") for name in names}
    curves = pd.concat([read_table(MODELS / name / "curve.csv").assign(variant=name) for name in variants])
    pictures = {
        name: {path.stem: path.read_bytes() for path in sorted((EVALUATIONS / name).glob("*.png"))} for name in names
    }
    runs = studies({name: evaluations[name] for name in variants})
    bands = joined("bands.csv", names, ["method", "low"])
    return Results(
        variants=variants,
        evaluations=evaluations,
        methods=summary.methods(evaluations, training, summary.seeds(runs)),
        probes=summary.probes(evaluations, bands).set_index("method", drop=False),
        curves=curves[["variant", "epoch", "loss", "val_loss", "psnr", "val_psnr"]],
        distributions=summary.distributions(joined("quantiles.csv", names, ["method", "quantile"])),
        bands=bands,
        contrast=joined("contrast.csv", names, ["method", "photo"]),
        conversions=read_table(EVALUATIONS / BASELINES / "conversions.csv", text=TEXT),
        restored=joined("restored.csv", names, ["kind", "level", "method", "photo"]),
        restored_sets={name: read_table(TEST_SETS / name / "restored.csv", text=TEXT) for name in test_sets},
        peers=peers(),
        test_sets={name: of_test_set(name, training) for name in test_sets},
        studies=runs,
        pictures=pictures,
    )


def joined(file: str, names: list[str], key: list[str]) -> pd.DataFrame:
    """The tables of all evaluations as one, without duplicates by `key`: PCA is in several of them."""
    tables = [read_table(EVALUATIONS / name / file, text=TEXT) for name in names]
    return pd.concat(filter(len, tables), ignore_index=True).drop_duplicates(key, ignore_index=True)


def of_test_set(name: str, training: dict[str, Any]) -> pd.DataFrame:
    """The methods on a further test set, best first, with their means of what contrast they keep."""
    methods = summary.methods(read_json(TEST_SETS / name / "summary.json"), training, {})
    contrast = summary.means(read_table(TEST_SETS / name / "contrast.csv", text=TEXT), "method")
    return methods.join(contrast.set_index("method"))


def peers() -> dict[str, pd.DataFrame]:
    """The rows of metrics/peers.csv that were measured with the pipeline's network, by the name of their photographs.

    Columns: kind, level, method, photo, psnr, ssim, rate. `ArtifactError`: there is no such table.
    """
    table, model = read_table(PEERS, text=PEERS_TEXT), MODELS / PEER_OF / "model.onnx"
    if not model.is_file():
        return {}
    table = table[table["model"] == sha256_of(model)[:HEXADECIMALS]].drop(columns="model")
    return {str(name): rows.drop(columns="photographs") for name, rows in table.groupby("photographs", sort=False)}


def studies(evaluations: Mapping[str, Any], path: Path = STUDIES) -> pd.DataFrame:
    """The current runs of the studies, by run, without the columns of their origin.

    A run is current if it was made from the same patches, if `seeds_<variant>_1`, the unchanged variant, has the scores
    of its evaluation, and if both were made from the same code and settings. `make study` runs the others again.
    `evaluations` are the variants' summaries. `ArtifactError`: there is no such table.
    """
    try:
        table = read_table(path, text=(*SPLITS, *ORIGIN, "leave", "domain"))
    except ArtifactError as error:
        raise ArtifactError(f"{path} is not a table of runs; `git checkout {path}`, or `make study`") from error
    kept = pd.Series(False, table.index)
    for variant, evaluation in evaluations.items():
        kept |= _current(table, variant, evaluation)
    table = table[kept].drop(columns=[*SPLITS, *ORIGIN])
    return table.set_index("run", drop=False).rename_axis(None)


def _current(table: pd.DataFrame, variant: str, evaluation: Any) -> pd.Series:
    """Which rows belong to a variant as it was evaluated."""
    mine, score = table["variant"] == variant, evaluation["scores"][variant]
    for split in SPLITS:
        mine &= table[split].map(evaluation["inputs"][f"data/pairs/{split}"].startswith).astype(bool)
    same = table[mine & (table["run"] == f"seeds_{variant}_1")]
    for key, decimals in {"psnr": 3, "ssim": 5}.items():  # as in the table
        wanted = np.nan if score[key] is None else score[key]
        same = same[np.isclose(same[key].astype(float), wanted, rtol=0, atol=10**-decimals, equal_nan=True)]
    return mine & table["variant_from"].isin(same["variant_from"]) & (table["variant_from"] != "")
