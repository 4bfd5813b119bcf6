"""Compares the scores of two revisions patch by patch, as DVC stores them, and says which differ by more than chance.

The sample is photographs, not patches: those of one photograph are alike, and so are their differences.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from stages.common.artifacts import DIGITS, ArtifactError
from stages.evaluate.measures import HEADLINE, MEASURES
from stages.report import collect, summary
from tools import trace
from tools.revisions import Changes, Revision, UnavailableError, changes, parsed

ERROR = 0.05  # chance that a comparison without any true difference gives a verdict
HEADLINE_SHARE = 0.8  # of `ERROR`, for the headline measures of patches
KEYS = {"scores.csv": ["photo", "row", "column"], "contrast.csv": ["photo"]}  # of a value, beside its method
RELATIVE, ABSOLUTE = 10.0 ** (1 - DIGITS), 1e-12  # tolerances: rounding is no difference
LUCK = 2 * np.sqrt(2)  # standard deviations over seeds: two, of a difference of two runs
PATCHES, EVALUATIONS = "data/pairs/test", "data/evaluations"
SETS = f"{EVALUATIONS}/test_sets/"
CAUSES = 3  # named in a sentence
CUTTING = "stages/targets/"
NO_SCORE = ("evaluate.picture_rows:", "targets.shard_patches:")  # params that change no score

# By test set ('' for the test photographs), method and measure: `old` and `new` of each patch, indexed by photograph.
Pairs = dict[tuple[str, str, str], pd.DataFrame]


@dataclass(frozen=True)
class Row:
    """A score that differs between the revisions."""

    test_set: str
    method: str
    measure: str
    old: float  # mean over photographs
    new: float
    photographs: int
    difference: float  # new − old
    low: float  # of the 95 % interval of this row alone; NaN where the spread over photographs is unknown
    high: float
    verdict: str  # better, worse or none; of all rows together
    seeds: float  # standard deviation of the method's score over seeds; NaN without a study of it

    @property
    def luck(self) -> bool:
        """Another seed alone might make this difference."""
        return abs(self.difference) < LUCK * self.seeds


@dataclass
class Comparison:
    """What differs between two revisions."""

    old: str  # title of the revision
    new: str
    changes: Changes
    stale: list[str] = field(default_factory=list)  # stages of the workspace that are not current
    refused: dict[str, str] = field(default_factory=dict)  # test set ('': the test photographs) → why
    untouched: list[str] = field(default_factory=list)  # evaluations that are the same byte for byte
    rows: list[Row] = field(default_factory=list)  # scores that changed, in the order of their tables
    same: int = 0  # how many scores of the other evaluations did not
    unpaired: list[str] = field(default_factory=list)  # tables, methods and measures left out, and why
    missing: str = ""  # why no scores could be compared, and what to do
    remeasured: list[str] = field(default_factory=list)  # changed inputs of evaluations, which may be the only reason


def compare(old: Revision, new: Revision) -> Comparison:
    """Compare the results of two revisions of the repository in the working directory.

    Raises:
        ArtifactError: DVC can't tell what of the workspace is current.
    """
    refused = refusals(old, new)
    same = [path.removeprefix(f"{EVALUATIONS}/") for _, path in folders(old, new) if old.md5(path) == new.md5(path)]
    found = Comparison(old.title, new.title, changes(old, new), new.stale(), refused, same)
    try:
        found.same, changed, found.unpaired = scores(old, new, refused)
    except UnavailableError as error:
        found.missing = str(error)
        return found
    if changed:
        found.rows = judged(changed, luck_of_seeds(new))
        found.remeasured = remeasured(old, new, refused)
    return found


def scores(old: Revision, new: Revision, refused: Collection[str]) -> tuple[int, Pairs, list[str]]:
    """The number of equal scores, the scores that differ, and what can't be compared, with the reason.

    Patches that equal their target in either revision have no PSNR and are left out of its comparison.

    Raises:
        UnavailableError: a table of one of the revisions is missing or damaged.
    """
    pairs: Pairs = {}
    unpaired = alone(old, new)
    for test_set, folder in folders(old, new):
        if test_set in refused or old.md5(folder) == new.md5(folder):
            continue
        for name, keys in KEYS.items():
            path = f"{folder}/{name}"
            tables = old.table(path), new.table(path)
            found = paired_tables(test_set, *tables, keys)
            if found is None:
                unpaired.append(f"{path}: not of the same patches or photographs in both")
                continue
            unpaired += [f"{path}: {name} only in one of the two" for name in unshared(*tables)]
            pairs |= {key: values for key, values in found.items() if key not in pairs}  # PCA is in several tables
    changed: Pairs = {}
    same = 0
    for (test_set, method, measure), values in pairs.items():
        kept = values.dropna() if measure.endswith("psnr") else values
        if np.allclose(values["old"], values["new"], RELATIVE, ABSOLUTE, equal_nan=True):
            same += 1
        elif len(kept) and np.isfinite(kept).all(axis=None):
            changed[test_set, method, measure] = kept
        else:
            where = f" on {test_set}" if test_set else ""
            unpaired.append(f"{method}{where} {measure}: not a number of every patch or photograph")
    return same, changed, unpaired


def paired_tables(test_set: str, before: pd.DataFrame, after: pd.DataFrame, keys: list[str]) -> Pairs | None:
    """Each measure of each method that both tables have.

    None if a key is missing, or a method is not scored once on each of the same patches or photographs in both.
    """
    index = ["method", *keys]
    if not all({*index} <= {*table} for table in (before, after)):
        return None
    old, new = (
        table[table["method"].isin(other["method"])].set_index(index).sort_index()
        for table, other in ((before, after), (after, before))
    )
    if not (old.index.is_unique and old.index.equals(new.index)):
        return None
    return {
        (test_set, method, measure): pd.DataFrame({"old": old.loc[method, measure], "new": new.loc[method, measure]})
        for method in before["method"].drop_duplicates()
        if method in old.index
        for measure in _measures(before)
        if measure in _measures(after)
    }


def unshared(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Methods and measures that only one of the tables has."""
    sides = [dict.fromkeys([*table["method"], *_measures(table)]) for table in (before, after)]
    return [name for name in {**sides[0], **sides[1]} if not all(name in side for side in sides)]


def alone(old: Revision, new: Revision) -> list[str]:
    """Evaluations of test sets that only one of the revisions has, each with which."""
    sides = [{path for path in trace.makers(of.stages) if path.startswith(SETS)} for of in (old, new)]
    return [f"{path}: only in {(old if path in sides[0] else new).title}" for path in sorted(sides[0] ^ sides[1])]


def folders(old: Revision, new: Revision) -> list[tuple[str, str]]:
    """Test set ('' for the test photographs) and folder of every evaluation that both revisions have."""
    found = [("", f"{EVALUATIONS}/{name}") for name in ("baselines", *old.variants)]
    found += [(path.removeprefix(SETS), path) for path in trace.makers(old.stages) if path.startswith(SETS)]
    return [(name, path) for name, path in found if old.md5(path) and new.md5(path)]


def refusals(old: Revision, new: Revision) -> dict[str, str]:
    """Test set → why its scores in the two revisions are of different images."""
    found = {}
    if old.md5(PATCHES) != new.md5(PATCHES):
        causes = _causes(changes(old, new, ["fetch", "targets"])) or "the params or data of the stage targets"
        found[""] = f"{PATCHES} differs, because of {causes}"
    for test_set in [name for name, _ in folders(old, new) if name]:
        photos = f"data/test_sets/{test_set}"
        if old.md5(photos) != new.md5(photos):
            causes = _causes(changes(old, new, [f"fetch_set@{test_set}"])) or "its source's files"
            found[test_set] = f"{photos} differs, because of {causes}"
            continue
        inputs = changes(old, new, [f"evaluate_set@{test_set}"])
        params = [line for line in inputs.params if line.startswith("targets.") and not line.startswith(NO_SCORE)]
        code = [line for line in inputs.code if line.startswith(CUTTING)]
        if causes := _causes(Changes(params=params, code=code)):
            found[test_set] = f"its patches may differ, because of {causes}"
    return found


def remeasured(old: Revision, new: Revision, refused: Collection[str]) -> list[str]:
    """Code, params and packages that evaluations use and that differ, except those that change no score."""
    makers = trace.makers(new.stages)
    found = changes(old, new, [makers[path] for name, path in folders(old, new) if name not in refused])
    params = [line for line in found.params if not line.startswith(("variants.", *NO_SCORE))]
    return [*params, *found.packages, *found.code]


def judged(pairs: Pairs, luck: dict[tuple[str, str], float]) -> list[Row]:
    """Rows with verdicts on all `pairs` together; `luck`: (method, measure) → standard deviation over seeds.

    PSNR and SSIM of patches share 80 % of the error rate, all other measures the rest. `luck` is of the test
    photographs alone.
    """
    first = np.array([measure in HEADLINE for _, _, measure in pairs])
    weights = np.where(first, HEADLINE_SHARE / max(first.sum(), 1), (1 - HEADLINE_SHARE) / max((~first).sum(), 1))
    means = [values.groupby(level="photo").mean() for values in pairs.values()]
    tests = [students_t((of["new"] - of["old"]).to_numpy(), RELATIVE * of.abs().to_numpy().max()) for of in means]
    differs = holm(np.array([p for p, _, _ in tests]), weights)
    rows = []
    for (test_set, method, measure), of, (_, low, high), differ in zip(pairs, means, tests, differs, strict=True):
        difference = float((of["new"] - of["old"]).mean())
        more_is_better = measure not in MEASURES or MEASURES[measure].more_is_better
        verdict = ("better" if (difference > 0) == more_is_better else "worse") if differ else "none"
        seeds = np.nan if test_set else luck.get((method, measure), np.nan)
        old, new = float(of["old"].mean()), float(of["new"].mean())
        rows.append(Row(test_set, method, measure, old, new, len(of), difference, low, high, verdict, seeds))
    return rows


def students_t(differences: np.ndarray, rounding: float) -> tuple[float, float, float]:
    """p and 95 % interval of the mean of the differences of photographs, `(n,)`, by Student's t-test.

    It is the bootstrap over photographs corrected for few of them (Hesterberg 2015, What Teachers Should Know About the
    Bootstrap, sections 3.2 and 4.5); percentiles of resamples of three photographs are far too narrow.

    One photograph says nothing about others, nor do photographs whose differences are equal to within `rounding`: two
    that gain one rounding step each do so by chance every other time. p is 1 then, and the interval NaN.
    """
    if len(differences) == 1 or differences.std(ddof=1) <= rounding:
        return 1.0, np.nan, np.nan
    result = stats.ttest_1samp(differences, 0)
    low, high = result.confidence_interval(1 - ERROR)
    return float(result.pvalue), float(low), float(high)


def holm(p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which of many differences with p-values `(m,)` are significant, `(m,)` bool.

    Holm's step-down procedure with weights `(m,)` (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure,
    Scandinavian Journal of Statistics 6, section 4): the chance of any false positive is at most `ERROR`, however the m
    measures are correlated.
    """
    order = np.argsort(p / weights, kind="stable")
    left = np.cumsum(weights[order][::-1])[::-1]  # of this one and of all that come after it
    passed = p[order] <= ERROR * weights[order] / left
    found = np.empty_like(passed)
    found[order] = np.logical_and.accumulate(passed)
    return found


def luck_of_seeds(revision: Revision) -> dict[tuple[str, str], float]:
    """Variant and measure → standard deviation over at least three seeds in the studies of this revision's results."""
    try:
        summaries = {name: revision.read(f"{EVALUATIONS}/{name}/summary.json") for name in revision.variants}
        evaluations = {name: json.loads(text) for name, text in summaries.items()}
        runs = parsed(revision.git_file(str(collect.STUDIES)), partial(collect.studies, evaluations))
        seeds = runs[runs["study"] == "seeds"].groupby("variant")
    except (ArtifactError, LookupError):  # there is no such table, or it is of other results
        return {}
    return {
        (str(variant), measure): float(of[measure].std())
        for variant, of in seeds
        if len(of) >= summary.ENOUGH_SEEDS
        for measure in HEADLINE
        if measure in of
    }


def _measures(table: pd.DataFrame) -> list[str]:
    return [name for name in table.select_dtypes("number") if name not in ("row", "column")]


def _causes(found: Changes) -> str:
    every = [*found.params, *found.data, *found.packages, *found.code]
    more = [f"{len(every) - CAUSES} more"] if len(every) > CAUSES else []
    return "; ".join([*every[:CAUSES], *more])
