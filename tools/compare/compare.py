"""Compares what the test photographs scored in two revisions, patch by patch, as DVC holds it for both.

Nothing is computed again. What is printed and drawn of it is in comparison.py, the statistics in paired.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from stages.common.artifacts import DIGITS
from stages.evaluate.measures import HEADLINE, MEASURES
from stages.report import summary
from tools import trace
from tools.compare import paired, revisions
from tools.compare.revisions import Changes, Revision, UnavailableError

HEADLINE_SHARE = 0.8  # of what may go wrong, for the headline measures of patches
KEYS = {"scores.csv": ["photo", "row", "column"], "contrast.csv": ["photo"]}  # of a value, beside its method
FACTS = ("method", "photo", "domain", "row", "column")
RELATIVE, ABSOLUTE = 10.0 ** (1 - DIGITS), 1e-12  # what rounding alone may change: no difference
PICTURES = ("photograph.png", "patches.png")
LUCK = 2 * np.sqrt(2)  # standard deviations over seeds: of a difference, twice
PATCHES, EVALUATIONS = "data/pairs/test", "data/evaluations"
SETS = f"{EVALUATIONS}/test_sets"
CAUSES = 3  # named in a sentence
CUTTING = "stages/targets/"
NO_SCORE = ("evaluate.bootstrap:", "evaluate.picture_rows:", "targets.shard_patches:")


@dataclass(frozen=True)
class Row:
    """One measure of one method on one test set, whose values differ between the revisions.

    Attributes:
        test_set: its name; empty for the test photographs.
        method: a variant, a baseline or a read-out.
        measure: a column of scores.csv or contrast.csv.
        old: mean over photographs in the old revision, `new` in the new one; each photograph counts alike.
        difference: new − old; its interval is of this row alone.
        verdict: better, worse or none; of all rows together.
        seeds: standard deviation of the method's score over seeds; NaN where that was not studied.

    The interval is NaN for a single photograph, and where all photographs differ alike.
    """

    test_set: str
    method: str
    measure: str
    old: float
    new: float
    photographs: int
    difference: float
    low: float
    high: float
    verdict: str
    seeds: float

    @property
    def luck(self) -> bool:
        """Another seed alone might make this difference."""
        return abs(self.difference) < LUCK * self.seeds


@dataclass(frozen=True)
class Comparison:
    """What two revisions differ in.

    Attributes:
        old: title of the old revision, `new` of the new one.
        changes: in params, packages, code, data and variants.
        stale: stages of the workspace whose results are not those of its code, params and data.
        rows: of all scores that changed, in the order of their tables.
        same: how many scores did not, of the evaluations that are not the same byte for byte.
        untouched: evaluations that are the same byte for byte: `baselines`, variants and test sets.
        missing: why no scores were compared, and what to do: those of a revision can't be had here. Empty if they can.
        refused: test set → why its scores can't be compared; the test photographs are ''.
        unpaired: tables, methods, measures and pictures that are left out, and why.
        remeasured: code, params and packages that score, and differ: what changed may be the measuring.
        pictures: variant → picture → PNG of the old and of the new revision, where they differ.
    """

    old: str
    new: str
    changes: Changes
    stale: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    same: int = 0
    untouched: list[str] = field(default_factory=list)
    missing: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    unpaired: list[str] = field(default_factory=list)
    remeasured: list[str] = field(default_factory=list)
    pictures: dict[str, dict[str, tuple[bytes, bytes]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """The values of one measure of one method in both revisions, `(n,)`, for the photographs `(n,)` they are of."""

    test_set: str
    method: str
    measure: str
    photos: np.ndarray
    old: np.ndarray
    new: np.ndarray

    @property
    def finite(self) -> bool:
        """No value is NaN or infinite."""
        return bool(np.isfinite([self.old, self.new]).all())


def compare(old: str, new: str | None = None) -> Comparison:
    """Compare the results of two revisions of the repository in the working directory.

    Args:
        old: a commit, branch or tag.
        new: the same; `None` is the workspace, as its dvc.lock has it.

    Raises:
        ArtifactError: there is no such revision.
    """
    return between(Revision(old), Revision(new))


def between(old: Revision, new: Revision) -> Comparison:
    """`compare` for revisions that are read already."""
    refused = refusals(old, new)
    comparable = "" not in refused
    untouched = [folder for _, folder in folders(old, new) if old.md5(folder) == new.md5(folder)]
    changed: list[Pair] = []
    unpaired: list[str] = []
    same, shown, missing = 0, {}, ""
    try:
        same, changed, unpaired = scores(old, new, refused)
    except UnavailableError as error:
        missing = str(error)
    try:
        shown = pictures(old, new) if comparable and not missing else {}
    except UnavailableError as error:
        unpaired.append(str(error))
    return Comparison(
        old=old.title,
        new=new.title,
        changes=revisions.changes(old, new),
        stale=new.stale(),
        rows=judged(changed, luck_of_seeds(new)),
        same=same,
        untouched=[folder.removeprefix(f"{EVALUATIONS}/") for folder in untouched],
        missing=missing,
        refused=refused,
        unpaired=unpaired,
        remeasured=remeasured(old, new, refused) if changed else [],
        pictures=shown,
    )


def scores(old: Revision, new: Revision, refused: Collection[str]) -> tuple[int, list[Pair], list[str]]:
    """How many scores are the same in both revisions, those that differ, and what can't be compared, with the reason.

    Raises:
        UnavailableError: a table of one of the revisions can't be had here.
    """
    pairs: dict[tuple[str, str, str], Pair] = {}
    unpaired = alone(old, new)
    for test_set, folder in folders(old, new):
        if test_set in refused or old.md5(folder) == new.md5(folder):
            continue
        names = old.names(folder), new.names(folder)
        for name, keys in KEYS.items():
            path = f"{folder}/{name}"
            if all(name in side for side in names):
                tables = old.table(path), new.table(path)
                if not alike(*tables, keys):
                    unpaired.append(f"{path}: not of the same patches or photographs in both")
                    continue
                unpaired += [f"{path}: {name} only in one of the two" for name in unshared(*tables)]
                for pair in values(test_set, *tables, keys):
                    pairs.setdefault((test_set, pair.method, pair.measure), pair)  # PCA stands in several tables
            elif any(name in side for side in names):
                unpaired.append(f"{path}: only in {(old if name in names[0] else new).title}")
    other = [pair for pair in pairs.values() if not np.allclose(pair.old, pair.new, RELATIVE, ABSOLUTE, equal_nan=True)]
    for pair in other:
        if not pair.finite:
            where = f" on {pair.test_set}" if pair.test_set else ""
            unpaired.append(f"{pair.method}{where} {pair.measure}: not a number of every patch or photograph")
    return len(pairs) - len(other), [pair for pair in other if pair.finite], unpaired


def alone(old: Revision, new: Revision) -> list[str]:
    """Evaluations of test sets that only one of the revisions has, each with which."""
    sides = [{path for path in trace.makers(of.stages) if path.startswith(f"{SETS}/")} for of in (old, new)]
    return [f"{path}: only in {(old if path in sides[0] else new).title}" for path in sorted(sides[0] ^ sides[1])]


def folders(old: Revision, new: Revision) -> list[tuple[str, str]]:
    """Test set and folder of every evaluation that both revisions have; '' is the test photographs."""
    names = {"": [f"{EVALUATIONS}/{name}" for name in ("baselines", *old.variants)]}
    for path in trace.makers(old.stages):
        if path.startswith(f"{SETS}/"):
            names[path.rpartition("/")[2]] = [path]
    return [(name, path) for name, paths in names.items() for path in paths if old.md5(path) and new.md5(path)]


def refusals(old: Revision, new: Revision) -> dict[str, str]:
    """Test set → why its scores in the two revisions are of different pictures."""
    found = {}
    if old.md5(PATCHES) != new.md5(PATCHES):
        causes = _causes(revisions.changes(old, new, ["fetch", "targets"]))
        found[""] = f"{PATCHES} differs, because of {causes or 'what the stage targets was told or read'}"
    for test_set, _ in folders(old, new):
        photos = f"data/test_sets/{test_set}"
        if test_set and old.md5(photos) != new.md5(photos):
            causes = _causes(revisions.changes(old, new, [f"fetch_set@{test_set}"]))
            found[test_set] = f"{photos} differs, because of {causes or 'what its source held'}"
        elif test_set:
            causes = _causes(_cutting(revisions.changes(old, new, [f"evaluate_set@{test_set}"])))
            if causes:
                found[test_set] = f"its patches may differ, because of {causes}"
    return found


def remeasured(old: Revision, new: Revision, refused: Collection[str]) -> list[str]:
    """Code, params and packages of the stages that score, where they differ, but for those that no score depends on."""
    makers = trace.makers(new.stages)
    found = revisions.changes(old, new, [makers[path] for name, path in folders(old, new) if name not in refused])
    params = [line for line in found.params if not line.startswith(("variants.", *NO_SCORE))]
    return [*params, *found.packages, *found.code]


def alike(before: pd.DataFrame, after: pd.DataFrame, keys: list[str]) -> bool:
    """Every method that both tables have is scored once on each of the same patches or photographs."""
    if not all({"method", *keys} <= {*table} for table in (before, after)):
        return False
    sides = []
    for table, other in ((before, after), (after, before)):
        rows = table.loc[table["method"].isin(other["method"]), ["method", *keys]]
        if rows.duplicated().any():
            return False
        sides.append(rows.sort_values(["method", *keys]).reset_index(drop=True))
    return sides[0].equals(sides[1])


def values(test_set: str, before: pd.DataFrame, after: pd.DataFrame, keys: list[str]) -> Iterator[Pair]:
    """A pair for each measure of each method that both tables have."""
    measures = [name for name in _measures(before) if name in _measures(after)]
    for method in before["method"].drop_duplicates():
        old, new = (table[table["method"] == method].sort_values(keys) for table in (before, after))
        for measure in measures if len(new) else []:
            yield Pair(
                test_set, method, measure, *(side.to_numpy() for side in (old["photo"], old[measure], new[measure]))
            )


def unshared(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Methods and measures that only one of the tables has."""
    sides = [dict.fromkeys([*table["method"], *_measures(table)]) for table in (before, after)]
    return [name for name in {**sides[0], **sides[1]} if not all(name in side for side in sides)]


def judged(pairs: list[Pair], luck: dict[tuple[str, str], float]) -> list[Row]:
    """Rows with verdicts on all `pairs` together.

    PSNR and SSIM of patches share 80 % of the 5 % that may go wrong, all other measures the rest.

    Args:
        pairs: whose values differ.
        luck: (method, measure) → standard deviation over seeds.
    """
    if not pairs:
        return []
    first = np.array([pair.measure in HEADLINE for pair in pairs])
    weights = np.where(first, HEADLINE_SHARE / max(first.sum(), 1), (1 - HEADLINE_SHARE) / max((~first).sum(), 1))
    weights /= weights.sum()
    found, means = [], []
    for pair in pairs:
        sides = [paired.of_photographs(pair.photos, scores[:, None]) for scores in (pair.old, pair.new)]
        means.append([float(side.mean()) for side in sides])
        rounding = RELATIVE * max(float(np.abs(side).max()) for side in sides)
        found.append(paired.paired(sides[1] - sides[0], rounding))
    told = paired.differ(np.array([float(each.p[0]) for each in found]), weights)
    return [
        Row(
            test_set=pair.test_set,
            method=pair.method,
            measure=pair.measure,
            old=before,
            new=after,
            photographs=each.photographs,
            difference=float(each.estimate[0]),
            low=float(each.low[0]),
            high=float(each.high[0]),
            verdict=_verdict(pair.measure, float(each.estimate[0])) if differs else "none",
            seeds=float("nan") if pair.test_set else luck.get((pair.method, pair.measure), float("nan")),
        )
        for pair, (before, after), each, differs in zip(pairs, means, found, told, strict=True)
    ]


def luck_of_seeds(revision: Revision) -> dict[tuple[str, str], float]:
    """Variant and measure → standard deviation over at least three seeds, from metrics/studies.csv."""
    studies = revision.git_table("metrics/studies.csv")
    if not {"study", "variant"} <= {*studies}:
        return {}
    runs = studies[studies["study"] == "seeds"].groupby("variant")
    return {
        (str(variant), measure): float(of[measure].std())
        for variant, of in runs
        if len(of) >= summary.ENOUGH_SEEDS
        for measure in HEADLINE
        if measure in _measures(of)
    }


def pictures(old: Revision, new: Revision) -> dict[str, dict[str, tuple[bytes, bytes]]]:
    """Variant → picture → PNG of both revisions, where these differ."""
    found: dict[str, dict[str, tuple[bytes, bytes]]] = {}
    for name in old.variants:
        folder = f"{EVALUATIONS}/{name}"
        if new.md5(folder) not in (None, old.md5(folder)):
            for picture in sorted({*PICTURES} & old.names(folder) & new.names(folder), key=PICTURES.index):
                sides = old.read(f"{folder}/{picture}"), new.read(f"{folder}/{picture}")
                if sides[0] != sides[1]:
                    found.setdefault(name, {})[picture.removesuffix(".png")] = sides
    return found


def _cutting(found: Changes) -> Changes:
    """What of the changes converts photographs and cuts them into patches."""
    params = [line for line in found.params if line.startswith("targets.") and not line.startswith(NO_SCORE)]
    return replace(found, params=params, packages=[], data=[], code=[f for f in found.code if f.startswith(CUTTING)])


def _measures(table: pd.DataFrame) -> list[str]:
    return [name for name in table.select_dtypes("number") if name not in FACTS]


def _causes(found: Changes) -> str:
    every = [*found.params, *found.data, *found.packages, *found.code]
    more = [f"{len(every) - CAUSES} more"] if len(every) > CAUSES else []
    return "; ".join([*every[:CAUSES], *more])


def _verdict(measure: str, difference: float) -> str:
    more_is_better = measure not in MEASURES or MEASURES[measure].more_is_better
    return "better" if (difference > 0) == more_is_better else "worse"
