"""Compares the scores of two revisions patch by patch, and says which differ by more than chance.

The sample is photographs, not patches: patches of one photograph are alike, and so are their differences.
"""

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from stages.common.artifacts import DIGITS, ArtifactError
from stages.evaluate.measures import HEADLINE, MEASURES
from stages.report import collect, summary
from tools.revisions import EVALUATIONS, Revision, UnavailableError, parsed

ERROR = 0.05  # chance that a comparison without any true difference gives a verdict
HEADLINE_SHARE = 0.8  # of `ERROR`, for the headline measures of patches
KEYS = {
    "scores.csv": ["photo", "row", "column"],
    "contrast.csv": ["photo"],
}  # columns that identify a value, beside `method`
RELATIVE, ABSOLUTE = 10.0 ** (1 - DIGITS), 1e-12  # tolerances: rounding is no difference
SEED_NOISE = 2 * np.sqrt(2)  # standard deviations over seeds: two, of a difference of two runs
SETS = f"{EVALUATIONS}test_sets/"
# Scores are compared only if these dependencies and params of the evaluation, or those below them, are the same.
MEASURED_WITH = ("data/pairs/test", "data/test_sets/", "stages/evaluate", "stages/targets", "evaluate", "targets")

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
    over_seeds: float  # standard deviation of the method's score over seeds; NaN without a study of it

    @property
    def seed_noise(self) -> bool:
        """Another seed alone might make this difference."""
        return abs(self.difference) < SEED_NOISE * self.over_seeds


@dataclass
class Comparison:
    """What differs between two revisions."""

    old: str  # title of the revision
    new: str
    stale: list[str] = field(default_factory=list)  # stages of the workspace that are not current
    refused: dict[str, list[str]] = field(default_factory=dict)  # what differs of `MEASURED_WITH` → evaluations
    rows: list[Row] = field(default_factory=list)  # scores that changed, in the order of their tables
    same: int = 0  # number of scores, and of whole evaluations, that did not change
    unpaired: list[str] = field(default_factory=list)  # evaluations, tables, methods and measures left out, and why
    missing: str = ""  # why no scores could be compared, and what to do


def compare(old: Revision, new: Revision) -> Comparison:
    """Compare the results of two revisions of the repository in the working directory.

    Raises:
        ArtifactError: DVC can't tell what of the workspace is current.
    """
    result = Comparison(old.title, new.title, new.stale())
    before, after = old.evaluations(), new.evaluations()
    for folder in sorted(before.keys() ^ after.keys()):
        result.unpaired.append(f"{folder}: only in {(old if folder in before else new).title}")
    pairs: Pairs = {}
    for folder in [folder for folder in before if folder in after]:
        if before[folder]["outs"] == after[folder]["outs"]:
            result.same += 1
        elif reasons := differing(before[folder], after[folder]):
            result.refused.setdefault(", ".join(reasons), []).append(folder.removeprefix(EVALUATIONS))
        else:
            try:
                scores, unpaired = paired_scores(folder, old, new)
            except UnavailableError as error:
                result.missing = str(error)
                return result
            result.unpaired += unpaired
            pairs |= {key: values for key, values in scores.items() if key not in pairs}  # PCA is in several folders
    changed: Pairs = {}
    for (test_set, method, measure), values in pairs.items():
        kept = values.dropna() if measure.endswith("psnr") else values  # a patch that equals its target has no PSNR
        if np.allclose(values["old"], values["new"], RELATIVE, ABSOLUTE, equal_nan=True):
            result.same += 1
        elif len(kept) and np.isfinite(kept).all(axis=None):
            changed[test_set, method, measure] = kept
        else:
            where = f" on {test_set}" if test_set else ""
            result.unpaired.append(f"{method}{where} {measure}: not a number of every patch or photograph")
    if changed:
        result.rows = judged(changed, deviations_over_seeds(new))
    return result


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Which of `MEASURED_WITH` differ between two entries of dvc.lock."""
    old, new = (
        {dep["path"]: dep["md5"] for dep in entry.get("deps", [])} | entry.get("params", {}).get("params.yaml", {})
        for entry in (before, after)
    )
    return [name for name in {**old, **new} if name.startswith(MEASURED_WITH) and old.get(name) != new.get(name)]


def paired_scores(folder: str, old: Revision, new: Revision) -> tuple[Pairs, list[str]]:
    """The scores in the folder of an evaluation that both revisions have, and what only one has.

    Raises:
        UnavailableError: a table of one of the revisions is missing or damaged.
    """
    pairs: Pairs = {}
    unpaired = []
    test_set = folder.removeprefix(SETS) if folder.startswith(SETS) else ""
    for name, keys in KEYS.items():
        path = f"{folder}/{name}"
        before, after = old.table(path), new.table(path)
        scores = paired_tables(test_set, before, after, keys)
        if scores is None:
            unpaired.append(f"{path}: not of the same patches or photographs in both")
            continue
        sides = [dict.fromkeys([*table["method"], *_measures(table)]) for table in (before, after)]
        alone = [name for name in {**sides[0], **sides[1]} if not all(name in side for side in sides)]
        unpaired += [f"{path}: {name} only in {(old if name in sides[0] else new).title}" for name in alone]
        pairs |= scores
    return pairs, unpaired


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


def judged(pairs: Pairs, over_seeds: dict[tuple[str, str], float]) -> list[Row]:
    """Rows with verdicts on all `pairs` together.

    PSNR and SSIM of patches share 80 % of the error rate, all other measures the rest. `over_seeds` has the standard
    deviation over seeds on the test photographs by method and measure.
    """
    headline = np.array([measure in HEADLINE for _, _, measure in pairs])
    shares = np.where(
        headline, HEADLINE_SHARE / max(headline.sum(), 1), (1 - HEADLINE_SHARE) / max((~headline).sum(), 1)
    )
    means = [values.groupby(level="photo").mean() for values in pairs.values()]
    tests = [
        students_t((mean["new"] - mean["old"]).to_numpy(), RELATIVE * mean.abs().to_numpy().max()) for mean in means
    ]
    significant = holm(np.array([p for p, _, _ in tests]), shares)
    rows = []
    for (test_set, method, measure), mean, (_, low, high), differs in zip(
        pairs, means, tests, significant, strict=True
    ):
        difference = float((mean["new"] - mean["old"]).mean())
        more_is_better = measure not in MEASURES or MEASURES[measure].more_is_better
        verdict = ("better" if (difference > 0) == more_is_better else "worse") if differs else "none"
        seeds = np.nan if test_set else over_seeds.get((method, measure), np.nan)
        old, new = float(mean["old"].mean()), float(mean["new"].mean())
        rows.append(Row(test_set, method, measure, old, new, len(mean), difference, low, high, verdict, seeds))
    return rows


def students_t(differences: np.ndarray, rounding: float) -> tuple[float, float, float]:
    """p and 95 % interval of the mean of the differences of photographs, `(n,)`, by Student's t-test.

    It is the bootstrap over photographs corrected for few of them (Hesterberg 2015, What Teachers Should Know About the
    Bootstrap, sections 3.2 and 4.5); percentiles of resamples of three photographs are far too narrow.

    p is 1 and the interval NaN where the spread over photographs is unknown: with one photograph, or where the
    differences are equal to within `rounding`. Two photographs that each gain one rounding step do so by chance every
    other time.
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
    remaining = np.cumsum(weights[order][::-1])[::-1]  # weight of this one and of all that come after it
    passed = p[order] <= ERROR * weights[order] / remaining
    significant = np.empty_like(passed)
    significant[order] = np.logical_and.accumulate(passed)
    return significant


def deviations_over_seeds(revision: Revision) -> dict[tuple[str, str], float]:
    """Variant and measure → standard deviation over at least three seeds in the studies of this revision's results."""
    try:
        variants = [stage.partition("@")[2] for stage in revision.stages if stage.startswith("evaluate@")]
        summaries = {name: json.loads(revision.read(f"{EVALUATIONS}{name}/summary.json")) for name in variants}
        runs = parsed(revision.git_file(str(collect.STUDIES)), partial(collect.studies, summaries))
        seeds = runs[runs["study"] == "seeds"].groupby("variant")
    except (ArtifactError, LookupError):  # there is no such table, or it is of other results
        return {}
    return {
        (str(variant), measure): float(group[measure].std())
        for variant, group in seeds
        if len(group) >= summary.ENOUGH_SEEDS
        for measure in HEADLINE
        if measure in group
    }


def _measures(table: pd.DataFrame) -> list[str]:
    return [name for name in table.select_dtypes("number") if name not in ("row", "column")]
