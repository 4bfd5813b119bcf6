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
from tools.revisions import Revision, UnavailableError

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


def test_a_true_difference_is_reported(here: Path) -> None:
    result = compared("first", "second")
    rows = {row.measure: row for row in result.rows}
    assert list(rows) == ["psnr", "mse"]
    assert {row.method for row in result.rows} == {"subpixel"}
    assert rows["psnr"].verdict == "better"
    assert rows["psnr"].low < 2 < rows["psnr"].high
    assert (rows["psnr"].over_seeds, rows["psnr"].seed_noise) == (1, True)
    assert rows["psnr"].old == pytest.approx(scores("").groupby("photo")["psnr"].mean().mean(), rel=1e-6)
    assert result.same == 4  # the other measures of subpixel, and simple
    title, _, said, *_ = compare.markdown(result).splitlines()
    assert re.fullmatch(r"`first \(\w{7}\)` → `second \(\w{7}\)`", title)
    assert said.startswith("Better: `subpixel` `psnr` (+2 dB, within seed noise)")


def test_scores_of_another_evaluation_are_not_compared(here: Path) -> None:
    result = compared("second", "third")
    assert (result.rows, result.refused) == ([], {"stages/evaluate": ["simple"]})
    assert compare.sentences(result) == "Not compared, because `stages/evaluate` changed: `simple`."


def test_the_workspace_does_not_differ_from_its_commit_until_it_is_edited(here: Path) -> None:
    assert compare.sentences(compared("third")) == "Every score is the same."
    params = (here / "params.yaml").read_text()
    write_text(here / "params.yaml", params.replace("0.008", "0.009"))
    try:
        result = compared("third")
    finally:
        write_text(here / "params.yaml", params)
    assert re.fullmatch(r"workspace \(\w{7} with changes\)", result.new)
    assert "The results of the workspace are not current (`evaluate@subpixel`): run" in compare.sentences(result)


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
    printed = capsys.readouterr().out
    assert "| `subpixel` | `psnr` (dB) |" in printed
    assert printed == Path("comment.md").read_text() + "\n"
    cache = Path(".dvc/cache/files/md5")
    for path in cache.glob("*/*"):
        if path.read_bytes().startswith(b"method,photo"):
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-1])
    assert re.search(r"scores.csv is damaged .* `make audit REPAIR=1`", compared("first", "second").missing)
    shutil.rmtree(cache)
    compare.main()
    assert "No scores were compared: not all are available here. `` first (" in Path("comment.md").read_text()


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
    [([5.0], "one photograph"), ([0.01, 0.01001], "no spread")],  # of 30.00000
)
def test_one_photograph_and_equal_differences_give_no_verdict(differences: list[float], words: str) -> None:
    rows = comparison.judged(pairs({"psnr": differences}), {})
    said = compare.sentences(comparison.Comparison("old", "new", rows=rows))
    assert (rows[0].verdict, compare.cells(rows[0])[5]) == ("none", words)
    assert ("A single photograph says nothing about others." in said) == (words == "one photograph")


def test_a_difference_that_a_seed_might_make_is_marked() -> None:
    over_seeds = {("simple", "psnr"): 0.5, ("vae", "psnr"): 0.1}
    more = {"psnr": MORE}
    elsewhere = pairs(more, test_set="histology")  # seeds were scored on the test photographs
    rows = comparison.judged(
        {**pairs(more), **pairs(more, method="vae"), **pairs({"e": MORE}), **elsewhere}, over_seeds
    )
    assert [row.seed_noise for row in rows] == [True, False, False, False]


class FakeRevision(Revision):
    """A revision with given stages and tables."""

    def __init__(self, stages: dict[str, Any], tables: dict[str, Any]) -> None:
        self.name, self.title, self.stages, self.tables = "fake", "fake", stages, tables

    def table(self, path: str) -> pd.DataFrame:
        return self.tables[path]

    def read(self, path: str) -> bytes:
        raise UnavailableError(path)


def fake(gain: float, **measured_with: str) -> FakeRevision:
    """simple scores `gain` dB more on the test photographs, and less on test set `other`.

    `measured_with`: hashes of the images, the code and the setting of the evaluation.
    """
    inputs = {"patches": "1", "photos": "1", "code": "1", "training": "1", "setting": "1", **measured_with}

    def stage(folder: str, images: str, hash_: str) -> dict[str, Any]:
        paths = {images: hash_, "stages/evaluate": inputs["code"], "data/pairs/train": inputs["training"]}
        return {
            "outs": [{"path": folder, "md5": str(gain)}],
            "deps": [{"path": path, "md5": md5} for path, md5 in paths.items()],
            "params": {"params.yaml": {"evaluate": inputs["setting"], "variants.simple": inputs["training"]}},
        }

    stages = {
        "evaluate@simple": stage(FOLDER, "data/pairs/test", inputs["patches"]),
        "evaluate_set@other": stage(SET, "data/test_sets/other", inputs["photos"]),
    }
    tables = {SCORES: scores("simple", gain), f"{SET}/scores.csv": scores("simple", -gain)}
    return FakeRevision(stages, {**tables, CONTRAST: contrast("simple"), f"{SET}/contrast.csv": contrast("simple")})


@pytest.mark.parametrize(
    ("changed", "refused", "verdicts"),
    [
        ("training", {}, {"": "better", "other": "worse"}),
        ("patches", {"data/pairs/test": ["simple"]}, {"other": "worse"}),
        ("photos", {"data/test_sets/other": ["test_sets/other"]}, {"": "better"}),
        ("code", {"stages/evaluate": ["simple", "test_sets/other"]}, {}),
        ("setting", {"evaluate": ["simple", "test_sets/other"]}, {}),
    ],
)
def test_scores_are_compared_if_images_and_evaluation_are_the_same(
    changed: str, refused: dict[str, list[str]], verdicts: dict[str, str]
) -> None:
    result = comparison.compare(fake(0), fake(3, **{changed: "2"}))
    assert result.refused == refused
    assert {row.test_set: row.verdict for row in result.rows if row.measure == "psnr"} == verdicts
    assert ("Worse: `simple` on `other` `psnr` (-3 dB)" in compare.sentences(result)) == ("other" in verdicts)


def test_rounding_is_no_difference() -> None:
    new = fake(3)
    for path, table in fake(0).tables.items():
        noise = table.select_dtypes("float") * 1e-7
        new.tables[path] = table.assign(**(table[noise.columns] + noise))
    assert comparison.compare(fake(0), new).rows == []


def test_a_measure_with_missing_values_is_left_out_and_no_other_is() -> None:
    both, new = fake(0), fake(3)
    new.tables[SCORES] = new.tables[SCORES].assign(ssim=[float("nan"), *[0.9] * 18], mae=float("nan"))
    result = comparison.compare(fake(0), new)
    assert [row.measure for row in result.rows if not row.test_set] == ["psnr", "mse"]
    assert result.unpaired == [f"simple {name}: not a number of every patch or photograph" for name in ("ssim", "mae")]
    both.tables[SCORES] = both.tables[SCORES].assign(mae=float("nan"))
    assert comparison.compare(both, new).unpaired == result.unpaired[:1]


def test_patches_equal_to_their_target_are_left_out_of_psnr_alone() -> None:
    new, table = fake(3), scores("simple")
    new.tables[SCORES].loc[1, "psnr"] = np.nan
    result = {row.measure: row.old for row in comparison.compare(fake(0), new).rows if not row.test_set}
    for measure, rows in {"psnr": table.drop(index=1), "mse": table}.items():
        assert result[measure] == pytest.approx(rows.groupby("photo")[measure].mean().mean(), rel=1e-6)
    new.tables[SCORES]["psnr"] = np.nan
    assert "simple psnr: not a number of every patch or photograph" in comparison.compare(fake(0), new).unpaired


def test_columns_and_tables_that_do_not_match_are_named() -> None:
    new = fake(3)
    new.tables[CONTRAST] = new.tables[CONTRAST].iloc[1:]
    new.tables[SCORES] = new.tables[SCORES].assign(lpips=0.1, note="text")
    new.tables[f"{SET}/scores.csv"] = new.tables[f"{SET}/scores.csv"].drop(columns="row")
    result = comparison.compare(fake(0), new)
    assert result.unpaired == [
        f"{SCORES}: lpips only in fake",
        *(f"{path}: not of the same patches or photographs in both" for path in (CONTRAST, f"{SET}/scores.csv")),
    ]
    assert [row.measure for row in result.rows] == ["psnr", "mse"]
    del new.stages["evaluate_set@other"]
    assert comparison.compare(fake(0), new).unpaired[0] == "data/evaluations/test_sets/other: only in fake"


def test_columns_are_aligned_and_sentences_limited() -> None:
    rows = comparison.judged(pairs({f"e_{number}": MORE for number in range(20)}), {})
    result = comparison.Comparison("old", "new", rows=rows)
    assert "`simple` `e_11` (+1) and 8 more." in compare.sentences(result)
    assert len({len(line) for line in compare.table(rows)}) == 1


@pytest.mark.parametrize(
    "name", ["`", "x` <b>", "a\n\n# b", "](http://x) **@all** ![](y)", "``` | ~~~", "\n", "\\|", "\x1b[2J", "``a`"]
)
def test_names_from_a_pull_request_are_shown_as_code(name: str) -> None:
    span = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)  # CommonMark 0.31, section 6.1

    def rendered(name: str) -> str:
        rows = comparison.judged(pairs({name: MORE, f"{name}_e": [1.0, -1.1, 0.2]}, name, name), {})
        return compare.markdown(comparison.Comparison(name, name, [name], {name: [name]}, rows, 0, [name], name))

    text = rendered(name)
    assert not any("|" in content or "\x1b" in content for _, content in span.findall(text))
    assert re.sub("[ -]+", " ", span.sub("", text)) == re.sub("[ -]+", " ", span.sub("", rendered("simple")))


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
