"""Stage `evaluate_set@<test set>`: every variant and baseline on a further test set, in data/evaluations/test_sets."""

import argparse
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from stages.common import engine as engines
from stages.common import leftovers
from stages.common.artifacts import ArtifactError, sha256_of, write_json, write_table
from stages.common.stage import Stage, item_of, stage
from stages.evaluate import evaluation
from stages.evaluate.evaluation import Evaluation
from stages.evaluate.methods import BASELINES, Subject
from stages.formats import manifest
from stages.formats.container import MANIFEST, Container
from stages.formats.patches import PatchSet
from stages.targets.cutting import cut_photographs, left_out


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate.test_sets", description=__doc__)
    parser.add_argument("name", type=item_of, help="a key of `test_sets` in params.yaml")
    name = parser.parse_args().name
    leftovers.remove()
    with stage("evaluate_set", name) as work:
        folder = Path(f"data/test_sets/{name}")
        photos = Container(folder, needed=("test",)).manifest
        refuse_known(photos, manifest.read(Path("data/photos") / MANIFEST), name)
        patches, shards = work.keep / "test-set", work.keep / "test-set-shards"  # not allowed as names of variants
        counts = cut_photographs(folder, work["targets"], {"test": patches}, shards, engines.load())
        subject = Subject(patches, folder, work["targets"].conversion, work["evaluate"])
        results = evaluate(subject, photos, work)

        out = work.out(f"data/evaluations/test_sets/{name}")
        place = ["method", "photo"]  # several variants have the same PCA, whose rows are kept once
        keys = {"scores": [*place, "row", "column"], "contrast": place, "restored": [*place, "kind", "level"]}
        for file, key in keys.items():
            tables = filter(len, (result.tables[file] for result in results.values()))
            write_table(out / f"{file}.csv", pd.concat(tables, ignore_index=True).drop_duplicates(key))
        write_table(out / "counts.csv", counts)
        write_json(out / "summary.json", {name: result.summary() for name, result in results.items()})
    print(f"evaluate_set@{name}: {counts['kept'].sum()} patches of {(counts['kept'] > 0).sum()} photographs")
    if line := left_out(counts):
        print(f"evaluate_set@{name}: {line}")


def refuse_known(test_set: pd.DataFrame, photos: pd.DataFrame, name: str) -> None:
    """Raise `ArtifactError` if the test set contains a photograph of the training or validation split."""
    known = photos[photos["split"] != "test"].drop_duplicates("sha256").set_index("sha256")
    copies = test_set[test_set["sha256"].isin(known.index)]
    if not copies.empty:
        photo, twin = copies.iloc[0]["name"], known.loc[copies.iloc[0]["sha256"]]
        raise ArtifactError(
            f"test_sets.{name}: networks have seen {len(copies)} of its {len(test_set)} photographs; for example, "
            f"{photo!r} has the same pixels as {twin['name']!r} of the {twin['split']} split; remove them from `fetch` "
            "or from the test set"
        )


def evaluate(baselines: Subject, photos: pd.DataFrame, work: Stage) -> dict[str, Evaluation]:
    """Evaluate the baselines, whose data are those of the test set, and every variant."""
    photographs = evaluation.whole_photographs(photos, work["targets"].patch, work["evaluate"].megapixels)
    engine = engines.load()
    result = evaluation.evaluate(baselines, photographs, work.keep / BASELINES, engine)
    seen = {f"data/pairs/{split}": PatchSet(Path(f"data/pairs/{split}")).sha256 for split in ("train", "validation")}
    result.facts.update({"inputs": seen, "environment": work.versions, "targets": work["targets"].model_dump()})
    results = {BASELINES: result}
    for variant in tqdm(work["variants"], "variants", leave=False, disable=None):
        folder = Path(f"data/models/{variant}")
        result = evaluation.of_variant(variant, folder, baselines, photographs, work.keep / variant, engine)
        result.facts["inputs"] = {str(folder / "model.keras"): sha256_of(folder / "model.keras")}
        results[variant] = result
    return results


if __name__ == "__main__":
    main()
