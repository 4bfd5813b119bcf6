"""The comparison of two revisions: on a small real repository, on tables made by hand, and its statistics."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.common.artifacts import ArtifactError, write_table, write_text
from tests.conftest import Workspace
from tests.tools.conftest import new_repository
from tools import compare
from tools.compare import METHOD, PATCH
from tools.revisions import Revision

COUNTS = {"a": 9, "b": 4, "c": 6}  # patches of each test photograph
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
"""


def scores(method: str, gain: float = 0.0) -> pd.DataFrame:
    """scores.csv of an evaluation, psnr raised by `gain` dB and by a little that differs between photographs."""
    rows = pd.DataFrame([(name, 0, 28 * number) for name, count in COUNTS.items() for number in range(count)])
    rows.columns = pd.Index(PATCH)
    noise = np.random.default_rng(1).normal(30, 3, len(rows))
    psnr = noise + gain * (1 + 0.01 * rows["photo"].map({"a": -1, "b": 0, "c": 1}))
    return rows.assign(method=method, psnr=psnr, ssim=0.9, mse=10 ** (-psnr / 10))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Tags `first`; `second`: another setting, +2 dB; `third`: other code evaluates."""
    workspace = new_repository(tmp_path_factory.mktemp("compare"))
    folder = workspace.folder
    params: dict[str, Any] = {"targets": 1, "variants": {"simple": {"a": 1}, "subpixel": {"b": 1}}}

    def evaluate(name: str, gain: float = 0.0, mae: float = 0.01) -> None:
        tables = [scores(name, gain), scores("pca_784")]  # which is in several evaluations
        write_table(folder / f"data/evaluations/{name}/scores.csv", pd.concat(tables).assign(mae=mae))

    def recorded(tag: str) -> None:
        YAML().dump(params, folder / "params.yaml")
        workspace.run("dvc", "commit", "--force", "--quiet")
        workspace.commit(tag)
        workspace.run("git", "tag", tag)

    write_text(folder / "dvc.yaml", PIPELINE)
    write_text(folder / "data/pairs/test/index.csv", "test\n")
    write_text(folder / "stages/evaluate/measures.py", "\n")
    write_text(folder / ".gitignore", "/data\n")
    evaluate("simple")
    evaluate("subpixel")
    recorded("first")
    evaluate("simple", mae=0.02)
    evaluate("subpixel", gain=2.0)
    params["variants"]["subpixel"]["learning_rate"] = 0.008
    params["variants"]["vae"] = {}
    evaluate("vae")
    recorded("second")
    write_text(folder / "stages/evaluate/measures.py", "\n\n")
    evaluate("simple", gain=-1.0)
    recorded("third")
    return workspace


@pytest.fixture
def here(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made.folder)
    return made.folder


def compared(old: str, new: str | None = None) -> compare.Comparison:
    return compare.compare(Revision(old), Revision(new))


def test_a_true_difference_is_reported(here: Path) -> None:
    result = compared("first", "second")
    (row,) = result.rows  # nothing else differs
    assert (row.method, row.measure, row.verdict, row.photographs) == ("subpixel", "psnr", "better", 3)
    assert row.low < 2 < row.high
    assert row.old == pytest.approx(scores("").groupby("photo")["psnr"].mean().mean(), rel=1e-6)
    title, _, said, *_ = compare.markdown(result).splitlines()
    assert re.fullmatch(r"`first \(\w{7}\)` → `second \(\w{7}\)`", title)
    assert said == "Only in one of the two: `vae`. Better: `subpixel` psnr."


def test_scores_of_another_evaluation_are_not_compared(here: Path) -> None:
    result = compared("second", "third")
    assert (result.rows, result.refused) == ([], {"stages/evaluate": ["simple"]})
    assert compare.sentences(result) == "Not compared, because `stages/evaluate` changed: `simple`."


def test_the_workspace_does_not_differ_from_its_commit(here: Path) -> None:
    result = compared("third")
    assert re.fullmatch(r"workspace \(\w{7}\)", result.new)
    assert compare.sentences(result) == "Every PSNR and SSIM that both have is the same."


def test_an_unknown_revision_is_refused(here: Path) -> None:
    with pytest.raises(ArtifactError, match="git knows no revision 'nowhere'"):
        compared("nowhere")


def test_the_command_prints_and_writes_a_comparison_and_reports_missing_results(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = made.copy(tmp_path / "clone")
    monkeypatch.chdir(clone.folder)
    clone.run("git", "switch", "--quiet", "--detach", "second")
    monkeypatch.setattr("sys.argv", ["compare", "first", "--markdown", "comment.md"])
    compare.main()
    printed = capsys.readouterr().out
    assert "| `subpixel` psnr |" in printed
    assert printed == Path("comment.md").read_text() + "\n"
    for file in Path(".dvc/cache/files/md5").rglob("*"):
        if b",method," in (content := file.read_bytes() if file.is_file() else b""):
            file.unlink()
            file.write_bytes(content.replace(b",3", b",4"))  # still a table
    compare.main()
    assert "scores.csv is not available (damaged, see `make audit`); run `git" in Path("comment.md").read_text()
    shutil.rmtree(".dvc/cache/files/md5")
    compare.main()
    assert "No scores were compared: not all are available here. `` first (" in Path("comment.md").read_text()


# === Tables made by hand ===

MORE = [1.0, 1.01, 0.99]  # differences of photographs that are more than chance
SOME = [1.0, 1.4, 0.7]
LITTLE = [1.0, -1.1, 0.2]


def indexed(table: pd.DataFrame, test_set: str = "") -> pd.DataFrame:
    return table.assign(test_set=test_set).set_index([*METHOD, *PATCH])[["psnr", "ssim"]]


def judged(*differences: list[float], test_set: str = "") -> list[compare.Row]:
    """Rows for the PSNR of methods, each with a difference for each photograph."""
    tables = [
        pd.DataFrame({"method": f"m{at}", "photo": list(map(str, values)), "row": 0, "column": 0, "gain": values})
        for at, values in enumerate(differences)
    ]
    table = pd.concat(tables).assign(ssim=0.9)
    old, new = (indexed(table.assign(psnr=30 + share * table["gain"]), test_set) for share in (0, 1))
    return compare.judged(old, new)


@pytest.mark.parametrize(
    ("differences", "verdicts"),
    [
        ([MORE, [-gain for gain in MORE], LITTLE], ["better", "worse", "no difference"]),
        ([SOME], ["better"]),
        ([SOME, *[LITTLE] * 9], ["no difference"] * 10),  # the more scores, the larger a difference must be
    ],
)
def test_verdicts_are_of_all_scores_together(differences: list[list[float]], verdicts: list[str]) -> None:
    assert [row.verdict for row in judged(*differences)] == verdicts


@pytest.mark.parametrize(
    ("differences", "words"),
    [([5.0], "one photograph"), ([0.01, 0.01001], "no spread")],  # of 30.00000
)
def test_one_photograph_and_equal_differences_give_no_verdict(differences: list[float], words: str) -> None:
    rows = judged(differences)
    said = compare.sentences(compare.Comparison("old", "new", rows=rows))
    assert (rows[0].verdict, compare.cells(rows[0])[4]) == ("no difference", words)
    assert ("A single photograph says nothing about others." in said) == (words == "one photograph")


def test_scores_are_compared_if_images_and_evaluation_are_the_same() -> None:
    def entry(changed: str = "") -> dict[str, Any]:
        deps, params = (
            {name: "2" if name == changed else "1" for name in names}
            for names in (("data/pairs/train", *images, "stages/evaluate"), ("variants.simple", "evaluate", "targets"))
        )
        return {"deps": [{"path": path, "md5": md5} for path, md5 in deps.items()], "params": {"params.yaml": params}}

    images = ("data/pairs/test", "data/test_sets/other")
    for name in ("data/pairs/train", "variants.simple"):
        assert compare.differing(entry(), entry(name)) == []
    for name in (*images, "stages/evaluate", "evaluate", "targets"):
        assert compare.differing(entry(), entry(name)) == [name]


def test_rounding_is_no_difference_and_only_what_both_have_is_compared() -> None:
    old, new = scores("simple"), pd.concat([scores("another", 3), scores("simple", 3)])
    assert compare.judged(indexed(old), indexed(old)) == []
    noisy = old.assign(psnr=old["psnr"] * (1 + 1e-7), ssim=old["ssim"] * (1 - 1e-7))
    assert compare.judged(indexed(old), indexed(noisy)) == []
    (row,) = compare.judged(indexed(old, "other"), indexed(new.sample(frac=1, random_state=1), "other"))
    assert (row.name, row.verdict) == ("`simple` on `other` psnr", "better")
    assert compare.judged(indexed(old), indexed(old.assign(column=1 + old["column"]))) == []


@pytest.mark.parametrize("name", ["a\n\n# b", "`a` @b", "a|b", "a\x1b[31m\u202e"])
def test_names_from_a_pull_request_stay_code_in_their_line(name: str) -> None:
    rows = compare.judged(indexed(scores(name)), indexed(scores(name, 3)))
    found = compare.Comparison(name, "new", {name: [name]}, [name], rows, name)
    title, _, told, _, head, _, row, *_ = compare.markdown(found).split("\n")
    assert title.endswith(" → `new`")
    assert re.sub(r"(`+).+?(?<!`)\1(?!`)", "NAME", told) == (
        "No scores were compared: not all are available here. NAME. Not compared, because NAME changed: NAME. "
        "Only in one of the two: NAME. Better: NAME psnr."
    )
    assert (row.count("|"), row.isprintable()) == (head.count("|"), True)


def test_patches_equal_to_their_target_are_left_out() -> None:
    old, new = scores("simple"), scores("simple", 3)
    new.loc[1, "psnr"] = np.nan
    (row,) = compare.judged(indexed(old), indexed(new))
    assert row.old == pytest.approx(old.drop(index=1).groupby("photo")["psnr"].mean().mean(), rel=1e-6)
    assert compare.judged(indexed(old), indexed(new.assign(psnr=np.nan))) == []


@pytest.mark.parametrize(
    ("p", "significant"),
    [
        ([0.010, 0.030, 0.016, 0.040], [True, False, True, False]),  # against 0.05 / 4, / 3, / 2, / 1
        ([0.026, 0.001], [True, True]),
        ([0.030, 0.026], [False, False]),
        ([], []),
    ],
)
def test_holm_by_hand(p: list[float], significant: list[bool]) -> None:
    assert compare.holm(np.array(p)).tolist() == significant
