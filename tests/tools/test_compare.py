"""The comparison of two revisions: on a small real repository, on tables made by hand, and its statistics."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.common.artifacts import ArtifactError, write_json, write_table, write_text
from tests.conftest import Workspace
from tests.tools.conftest import new_repository
from tools import compare, comparison
from tools.revisions import Changes, Revision, UnavailableError, changes

COUNTS = {"a": 9, "b": 4, "c": 6}  # patches of each test photograph
FOLDER, SET = "data/evaluations/simple", "data/evaluations/test_sets/other"
SCORES, CONTRAST = f"{FOLDER}/scores.csv", f"{FOLDER}/contrast.csv"
PIPELINE = """
stages:
  targets:
    cmd: 'true'
    params: [targets]
    outs: [data/pairs/test]
  evaluate:
    foreach: ${variants}
    do:
      cmd: 'true'
      deps: [data/pairs/test, stages/evaluate]
      params: ['variants.${key}']
      outs: ['data/evaluations/${key}']
      metrics: ['metrics/scores/${key}.json': {cache: false}]
"""


def scores(method: str, gain: float = 0.0) -> pd.DataFrame:
    """scores.csv of an evaluation, psnr raised by `gain` dB and by a little that differs between photographs."""
    rows = pd.DataFrame([(name, 28 * number) for name, count in COUNTS.items() for number in range(count)])
    rows.columns = pd.Index(["photo", "column"])
    noise = np.random.default_rng(1).normal(30, 3, len(rows))
    psnr = noise + gain * (1 + 0.01 * rows["photo"].map({"a": -1, "b": 0, "c": 1}))
    table = pd.DataFrame({"method": method, "photo": rows["photo"], "domain": "leaves", "row": 0})
    return table.assign(column=rows["column"], psnr=psnr, ssim=0.9, mse=10 ** (-psnr / 10), mae=0.01)


def contrast(method: str) -> pd.DataFrame:
    return pd.DataFrame({"method": method, "photo": list(COUNTS), "domain": "leaves", "whole_psnr": 30.0})


def evaluate(folder: Path, name: str, gain: float = 0.0) -> None:
    """Write the results of an evaluation."""
    to = folder / "data/evaluations" / name
    write_table(to / "scores.csv", scores(name, gain))
    write_table(to / "contrast.csv", contrast(name))
    inputs = {f"data/pairs/{split}": "p" * 64 for split in ("train", "validation", "test")}
    write_json(to / "summary.json", {"inputs": inputs, "scores": {name: {"psnr": 20, "ssim": 0.9}}})
    write_json(folder / f"metrics/scores/{name}.json", {"psnr": 30 + gain})


def study(*patches: str) -> str:
    """metrics/studies.csv: for each hash of patches three seeds of subpixel, with PSNR 20, 21 and 22 dB."""
    rows = ["study,run,variant,seed,psnr,ssim,train,validation,test,made_from,variant_from"]
    for made in patches:
        rows += [f"seeds,seeds_subpixel_{n},subpixel,{n},{19 + n},0.9,p,p,{made},c,v" for n in (1, 2, 3)]
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Tags `before`, without DVC metrics; `first`; `second`: another setting, +2 dB; `third`: other code evaluates."""
    workspace = new_repository(tmp_path_factory.mktemp("compare"))
    folder = workspace.folder
    params: dict[str, Any] = {"targets": 1, "variants": {"simple": {"a": 1}, "subpixel": {"b": 1}}}

    def recorded(tag: str) -> None:
        YAML().dump(params, folder / "params.yaml")
        workspace.run("dvc", "commit", "--force", "--quiet")
        workspace.commit(tag)
        workspace.run("git", "tag", tag)

    write_text(folder / "dvc.yaml", PIPELINE.replace("      metrics:", "      #"))
    write_text(folder / "data/pairs/test/index.csv", "test\n")
    write_text(folder / "stages/evaluate/measures.py", "\n")
    write_text(folder / ".gitignore", "/data\n")
    for name in ("simple", "subpixel"):
        evaluate(folder, name)
    recorded("before")
    write_text(folder / "dvc.yaml", PIPELINE)
    write_text(folder / "metrics/studies.csv", study(*"pq"))
    recorded("first")
    evaluate(folder, "subpixel", gain=2.0)
    params["variants"]["subpixel"]["learning_rate"] = 0.008
    recorded("second")
    write_text(folder / "stages/evaluate/measures.py", "\n\n")
    evaluate(folder, "simple", gain=-1.0)
    recorded("third")
    return workspace


@pytest.fixture
def here(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made.folder)
    return made.folder


def compared(old: str, new: str | None = None) -> comparison.Comparison:
    return comparison.compare(Revision(old), Revision(new))


def test_a_true_difference_is_reported_with_what_changed(here: Path) -> None:
    found = compared("first", "second")
    rows = {row.measure: row for row in found.rows}
    assert list(rows) == ["psnr", "mse"]
    assert {row.method for row in found.rows} == {"subpixel"}
    assert rows["psnr"].verdict == "better"
    assert rows["psnr"].low < 2 < rows["psnr"].high
    assert (rows["psnr"].seeds, rows["psnr"].luck) == (1, True)
    assert rows["psnr"].old == pytest.approx(scores("").groupby("photo")["psnr"].mean().mean(), rel=1e-6)
    assert found.same == 3  # the other measures of subpixel
    assert found.untouched == ["simple"]
    assert found.changes.params == ["variants.subpixel.learning_rate: not set → 0.008"]
    assert found.changes.code == found.changes.data == found.remeasured == []
    assert compare.text(found).splitlines()[2].startswith("Better: subpixel psnr (+2 dB, within the luck of a seed)")
    assert compare.markdown(found).startswith("**Better: subpixel psnr (+2 dB, within")
    found = compared("second", "third")
    assert found.remeasured == found.changes.code == ["stages/evaluate/measures.py (evaluate)"]


def test_the_workspace_does_not_differ_from_its_commit_until_it_is_edited(here: Path) -> None:
    assert compare.sentence(compared("third")) == "Nothing changed."
    params = (here / "params.yaml").read_text()
    write_text(here / "params.yaml", params.replace("0.008", "0.009"))
    try:
        found = compared("third")
    finally:
        write_text(here / "params.yaml", params)
    assert found.stale == ["evaluate@subpixel"]
    assert re.match(r"The results of the workspace \(\w{7} with changes\) are not current", compare.sentence(found))


@pytest.mark.parametrize(
    ("name", "words"), [("nowhere", "git knows no revision"), ("before", "older than metrics/scores")]
)
def test_an_unknown_revision_or_one_of_the_old_layout_is_refused(here: Path, name: str, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        compared(name)


def test_the_command_prints_and_writes_a_comparison_and_reports_damaged_and_missing_results(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made.copy(tmp_path / "clone").folder)
    monkeypatch.setattr("sys.argv", ["compare", "first", "--to", "second", "--markdown", "comment.md"])
    compare.main()
    assert capsys.readouterr().out.splitlines()[2].startswith("Better: subpixel psnr (+2 dB")
    cache = Path(".dvc/cache/files/md5")
    for path in cache.glob("*/*"):
        if path.read_bytes().startswith(b"method,photo"):
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-1])
    assert re.search(r"scores.csv is damaged .* `make audit REPAIR=1`", compared("first", "second").missing)
    shutil.rmtree(cache)
    compare.main()
    comment = Path("comment.md").read_text()
    assert comment.startswith("**No scores were compared: not all are available here. first (")
    assert "- `variants.subpixel.learning_rate: not set → 0.008`" in comment


# === Tables made by hand ===

MORE = [1.0, 1.01, 0.99]  # differences that are more than chance
SOME = [1.0, 1.4, 0.7]


def pairs(differences: Mapping[str, list[float]], test_set: str = "", method: str = "simple") -> comparison.Pairs:
    """A measure for each list of differences, one of each photograph."""
    return {
        (test_set, method, measure): pd.DataFrame(
            {"old": 30.0, "new": 30 + np.array(values)}, pd.Index(range(len(values)), name="photo")
        )
        for measure, values in differences.items()
    }


def test_tables_of_different_patches_are_not_paired() -> None:
    def paired(before: pd.DataFrame, after: pd.DataFrame) -> comparison.Pairs | None:
        return comparison.paired_tables("", before, after, comparison.KEYS["scores.csv"])

    table = scores("simple")
    shuffled = paired(table, table.sample(frac=1, random_state=1))
    assert shuffled and all((values["old"] == values["new"]).all() for values in shuffled.values())
    twice = pd.concat([table, table.iloc[:1]])
    for after in (table.assign(column=table["column"] + 1), table.iloc[1:], twice):
        assert paired(table, after) is None
    assert paired(twice, twice) is None
    more = pd.concat([table, scores("another").iloc[:1]])
    assert (paired(table, more) or {}).keys() == shuffled.keys()
    assert paired(table, scores("another")) == {}


@pytest.mark.parametrize(
    ("differences", "verdicts"),
    [
        (dict.fromkeys(("psnr", "ssim", "mse", "mae"), MORE), ["better", "better", "worse", "worse"]),
        ({"psnr": SOME}, ["better"]),
        # the more scores are compared, the larger a difference must be
        ({"psnr": SOME, **{f"{number}_psnr": [1.0, -1.1, 0.2] for number in range(9)}, "ssim": SOME}, ["none"] * 11),
        # less so for PSNR and SSIM of patches
        ({"psnr": [1.0, 1.3, 0.8], **{f"e_{n}": [1.0, 1.3, 0.8] for n in range(9)}}, ["better", *["none"] * 9]),
    ],
)
def test_verdicts_are_of_all_scores_together(differences: dict[str, list[float]], verdicts: list[str]) -> None:
    assert [row.verdict for row in comparison.judged(pairs(differences), {})] == verdicts


@pytest.mark.parametrize(
    ("differences", "words"),
    [([5.0], "one photograph"), ([0.01, 0.01001], "alike")],  # of 30.00000
)
def test_one_photograph_and_equal_differences_give_no_verdict(differences: list[float], words: str) -> None:
    rows = comparison.judged(pairs({"psnr": differences}), {})
    said = compare.sentence(comparison.Comparison("old", "new", Changes(), rows=rows))
    assert (rows[0].verdict, compare.cells(rows[0])[5]) == ("none", words)
    assert ("A single photograph says nothing about others." in said) == (words == "one photograph")


def test_a_difference_that_a_seed_might_make_is_marked() -> None:
    luck = {("simple", "psnr"): 0.5, ("vae", "psnr"): 0.1}
    more = {"psnr": MORE}
    elsewhere = pairs(more, test_set="histology")  # seeds were scored on the test photographs
    rows = comparison.judged({**pairs(more), **pairs(more, method="vae"), **pairs({"e": MORE}), **elsewhere}, luck)
    assert [row.luck for row in rows] == [True, False, False, False]


class Held(Revision):
    """A revision with given stages and tables."""

    def __init__(self, stages: dict[str, Any], tables: dict[str, Any]) -> None:
        self.name, self.title, self.stages, self.tables = "held", "held", stages, tables

    def table(self, path: str) -> pd.DataFrame:
        return self.tables[path]

    def read(self, path: str) -> bytes:
        raise UnavailableError(path)

    def code(self, path: str) -> dict[str, bytes]:
        return {}


def held(gain: float, photos: str = "1", patches: str = "1", conversion: str = "bt601", cut: str = "1") -> Held:
    """simple scores `gain` dB more on the test photographs, and less on test set `other`; the rest are their hashes."""

    def stage(path: str, md5: str, **params: Any) -> dict[str, Any]:
        return {"outs": [{"path": path, "md5": md5}], "deps": [], "params": {"params.yaml": params}}

    targets = {"conversion": conversion, "shard_patches": int(patches)}
    stages = {
        "targets": stage(comparison.PATCHES, patches, targets=targets),
        "evaluate@simple": stage("data/evaluations/simple", str(gain)),
        "fetch_set@other": stage("data/test_sets/other", photos, **{"test_sets.other": {"limit": int(photos)}}),
        "evaluate_set@other": stage("data/evaluations/test_sets/other", str(gain), targets=targets),
    }
    stages["evaluate_set@other"]["deps"] = [{"path": f"{comparison.CUTTING}cutting.py", "md5": cut}]
    tables = {SCORES: scores("simple", gain), f"{SET}/scores.csv": scores("simple", -gain)}
    return Held(stages, {**tables, CONTRAST: contrast("simple"), f"{SET}/contrast.csv": contrast("simple")})


def test_each_test_set_has_its_own_rows_and_is_refused_by_itself() -> None:
    def refused(**changed: str) -> tuple[dict[str, str], dict[str, str]]:
        found = comparison.compare(held(0), held(3, **changed))
        assert ("Worse: simple on other psnr (-3 dB)" in compare.sentence(found)) == ("other" not in found.refused)
        return found.refused, {row.test_set: row.verdict for row in found.rows if row.measure == "psnr"}

    assert refused() == ({}, {"": "better", "other": "worse"})
    told = "data/test_sets/other differs, because of test_sets.other.limit: 1 → 2"
    assert refused(photos="2") == ({"other": told}, {"": "better"})
    told = "data/pairs/test differs, because of targets.shard_patches: 1 → 2"
    assert refused(patches="2") == ({"": told}, {"other": "worse"})
    told = "its patches may differ, because of stages/targets/cutting.py (evaluate_set)"
    assert refused(cut="2") == ({"other": told}, {"": "better"})
    both, rows = refused(patches="2", conversion="bt709")
    assert (list(both), rows) == (["", "other"], {})


def test_rounding_is_no_difference() -> None:
    new = held(3)
    for path, table in held(0).tables.items():
        noise = table.select_dtypes("float") * 1e-7
        new.tables[path] = table.assign(**(table[noise.columns] + noise))
    assert comparison.compare(held(0), new).rows == []


def test_a_measure_with_missing_values_is_left_out_and_no_other_is() -> None:
    both, new = held(0), held(3)
    new.tables[SCORES] = new.tables[SCORES].assign(ssim=[float("nan"), *[0.9] * 18], mae=float("nan"))
    found = comparison.compare(held(0), new)
    assert [row.measure for row in found.rows if not row.test_set] == ["psnr", "mse"]
    assert found.unpaired == [f"simple {name}: not a number of every patch or photograph" for name in ("ssim", "mae")]
    both.tables[SCORES] = both.tables[SCORES].assign(mae=float("nan"))
    assert comparison.compare(both, new).unpaired == found.unpaired[:1]


def test_patches_equal_to_their_target_are_left_out_of_psnr_alone() -> None:
    new, table = held(3), scores("simple")
    new.tables[SCORES].loc[1, "psnr"] = np.nan
    found = {row.measure: row.old for row in comparison.compare(held(0), new).rows if not row.test_set}
    for measure, rows in {"psnr": table.drop(index=1), "mse": table}.items():
        assert found[measure] == pytest.approx(rows.groupby("photo")[measure].mean().mean(), rel=1e-6)
    new.tables[SCORES]["psnr"] = np.nan
    assert "simple psnr: not a number of every patch or photograph" in comparison.compare(held(0), new).unpaired


def test_columns_and_tables_that_do_not_match_are_named() -> None:
    new = held(3)
    new.tables[CONTRAST] = new.tables[CONTRAST].iloc[1:]
    new.tables[SCORES] = new.tables[SCORES].assign(lpips=0.1, note="text")
    new.tables[f"{SET}/scores.csv"] = new.tables[f"{SET}/scores.csv"].drop(columns="row")
    found = comparison.compare(held(0), new)
    assert found.unpaired == [
        f"{SCORES}: lpips only in one of the two",
        *(f"{path}: not of the same patches or photographs in both" for path in (CONTRAST, f"{SET}/scores.csv")),
    ]
    assert [row.measure for row in found.rows] == ["psnr", "mse"]
    del new.stages["evaluate_set@other"]
    assert comparison.compare(held(0), new).unpaired[0] == "data/evaluations/test_sets/other: only in held"


def test_stages_are_named_by_their_group_even_if_variants_differ() -> None:
    def stages(md5: str, names: str) -> dict[str, Any]:
        return {f"train@{name}": {"deps": [{"path": "stages/train/fit.py", "md5": md5}]} for name in names}

    assert changes(Held(stages("1", "abc"), {}), Held(stages("2", "bcd"), {})).code == ["stages/train/fit.py (train)"]


def test_lines_and_lists_of_the_text_are_limited() -> None:
    rows = comparison.judged(pairs({f"e_{number}": MORE for number in range(20)}), {})
    long = Changes(params=["key: " + "value, " * 40], code=["stages/" + "x" * 150 + ".py"])
    text = compare.text(comparison.Comparison("old", "new", long, rows=rows))
    assert max(map(len, text.splitlines())) <= compare.WIDTH
    assert "simple e_11 (+1) and 8 more." in " ".join(text.split())


@pytest.mark.parametrize("text", ["`", "x` <b>", "a\n\n# b", "](http://x) **@all** ![](y)", "``` | ~~~"])
def test_markup_in_params_yaml_is_escaped_in_the_comment(text: str) -> None:
    found = comparison.Comparison("old", "new", Changes(params=[f"fetch.domain: {text}"]), refused={"": text})
    bold, _, _, _, opened, _, item, *_ = compare.markdown(found).splitlines()
    told = " ".join(text.split())
    assert re.sub(r"\\(.)", r"\1", bold) == f"**The scores of the test photographs can't be compared: {told}.**"
    assert not re.search(r"(?<!\\)[*\[\]<>|#]", bold[2:-2])
    assert opened == "<details><summary>Params</summary>"
    fence = item.removeprefix("- ").partition(" ")[0] if "`" in text else "`"
    assert item.strip("- `").strip() in f"fetch.domain: {told}"
    assert item.startswith(f"- {fence}") and item.endswith(fence) and fence not in text


@pytest.mark.parametrize(
    ("p", "weights", "significant"),
    [
        ([0.010, 0.030, 0.016, 0.040], [1, 1, 1, 1], [True, False, True, False]),  # against 0.05 / 4, / 3, / 2, / 1
        ([0.026, 0.001], [1, 1], [True, True]),
        ([0.030, 0.026], [1, 1], [False, False]),
        ([0.039, 0.049], [0.8, 0.2], [True, True]),  # a larger weight allows a larger p
        ([0.041, 0.011], [0.8, 0.2], [False, False]),
        ([0.049, 0.009], [0.8, 0.2], [True, True]),  # and its share passes on
    ],
)
def test_holm_by_hand(p: list[float], weights: list[float], significant: list[bool]) -> None:
    assert comparison.holm(np.array(p), np.array(weights)).tolist() == significant
