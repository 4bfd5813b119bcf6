"""What a comparison of two revisions says: on a real repository whose results are made up, and on hand-made tables."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages.common.artifacts import ArtifactError, write_bytes, write_json, write_table, write_text
from tests.conftest import Workspace, small_workspace
from tools.compare import __main__ as command
from tools.compare import compare, comparison
from tools.compare.revisions import Changes, Revision, UnavailableError, changes

COUNTS = {"a": 9, "b": 4, "c": 6}  # patches of each test photograph
PAGE = (
    '<h1>Report</h1>\n<p>…</p>\n\n<h2>Results</h2>\n<a href="../provenance.html#simple">simple</a>\n<h2>Probes</h2>\n'
)


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (4, 4), level).save(file, "PNG")
    return file.getvalue()


def scores(method: str, gain: float = 0.0, counts: dict[str, int] = COUNTS, seed: int = 1) -> pd.DataFrame:
    """A table as an evaluation leaves it, psnr raised by `gain` dB and by a little that differs between photographs."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame([(name, 28 * number) for name, count in counts.items() for number in range(count)])
    rows.columns = pd.Index(["photo", "column"])
    psnr = rng.normal(30, 3, len(rows)) + gain * (1 + 0.01 * rows["photo"].map({"a": -1, "b": 0, "c": 1}).fillna(0))
    table = pd.DataFrame({"method": method, "photo": rows["photo"], "domain": "leaves", "row": 0})
    return table.assign(column=rows["column"], psnr=psnr, ssim=0.9, mse=10 ** (-psnr / 10), mae=0.01)


def contrast(method: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"method": method, "photo": list(COUNTS), "domain": "leaves", "whole_psnr": 30.0, "e_random": 0.9}
    )


def evaluate(folder: Path, name: str, gain: float = 0.0, level: int = 0) -> None:
    """Results of an evaluation that never took place."""
    to = folder / "data/evaluations" / name
    method = "luma" if name == "baselines" else name
    pca = [] if name == "baselines" else [scores("pca_784", seed=9)]
    write_table(to / "scores.csv", pd.concat([scores(method, gain), *pca]))
    write_table(to / "contrast.csv", contrast(method))
    write_bytes(to / "photograph.png", png(level))
    write_bytes(to / "patches.png", png(100))


def summarise(folder: Path, **psnr: float) -> None:
    rows = {name: {"psnr": value, "ssim": 0.9, "latent": 784, "kl_nats": value / 10} for name, value in psnr.items()}
    write_json(folder / "metrics/summary.json", {"variants": rows, "baselines": {}})


def edit_lock(workspace: Workspace, change: Callable[[dict[str, Any]], None]) -> None:
    path, yaml = workspace.folder / "dvc.lock", YAML()
    lock = yaml.load(path)
    change(lock["stages"])
    yaml.dump(lock, path)


def set_md5(entries: list[dict[str, Any]], path: str) -> None:
    for entry in entries:
        if entry["path"] == path:
            entry["md5"] = "0" * 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Revisions `first`; `second`, where subpixel learns faster and scores 2 dB more; `other_patches`, where the test
    patches are converted otherwise; `other_code`, where SSIM is computed otherwise; `added`, with one more variant, and
    in dvc.lock another one that params.yaml has not.
    """
    workspace = small_workspace(tmp_path_factory.mktemp("compare") / "workspace")
    folder = workspace.folder
    write_text(folder / "data/photos/manifest.csv", "name\n")
    for split in ("train", "validation", "test"):
        write_text(folder / f"data/pairs/{split}/index.csv", f"{split}\n")
    write_text(folder / "data/pairs/counts.csv", "photo\n")
    for name in ("simple", "subpixel"):
        write_text(folder / f"data/models/{name}/model.keras", name)
    for name in ("baselines", "simple", "subpixel"):
        evaluate(folder, name)
    summarise(folder, simple=30.0, subpixel=30.0)
    write_text(folder / "data/report/index.html", PAGE)
    workspace.run("dvc", "commit", "--force", "--quiet", "dvc.yaml")
    workspace.commit("First")
    workspace.run("git", "tag", "first")

    workspace.edit_params(variants__subpixel__learning_rate=0.008)
    write_text(folder / "data/models/subpixel/model.keras", "faster")
    evaluate(folder, "subpixel", gain=2.0, level=200)
    summarise(folder, simple=30.0, subpixel=32.0)
    workspace.run("dvc", "commit", "--force", "--quiet", "train@subpixel", "evaluate@subpixel", "report")
    workspace.commit("Learn faster")
    workspace.run("git", "tag", "second")

    def other_patches(stages: dict[str, Any]) -> None:
        set_md5(stages["targets"]["outs"], "data/pairs/test")
        stages["targets"]["params"]["params.yaml"]["targets"]["conversion"] = "bt709"

    def other_code(stages: dict[str, Any]) -> None:
        for name in ("baselines", "evaluate@simple", "evaluate@subpixel"):
            set_md5(stages[name]["deps"], "stages/evaluate")

    def added(stages: dict[str, Any]) -> None:
        for name in ("more", "gone"):
            stages[f"evaluate@{name}"] = {"cmd": "", "outs": [{"path": f"data/evaluations/{name}", "md5": "0" * 32}]}

    for name, change in {"other_patches": other_patches, "other_code": other_code, "added": added}.items():
        workspace.run("git", "switch", "--quiet", "--create", f"to_{name}", "second")
        edit_lock(workspace, change)
        if name == "other_code":
            path = folder / "stages/evaluate/measures.py"
            path.write_text(path.read_text() + "\n")
        if name == "added":
            workspace.edit_params(variants__more={"network": "simple"})
        workspace.commit(name)
        workspace.run("git", "tag", name)
    workspace.run("git", "switch", "--quiet", "main")
    return workspace


@pytest.fixture
def here(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture(scope="module")
def better(made: Workspace) -> Iterator[compare.Comparison]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        yield compare.compare("first", "second")


def test_a_true_difference_is_told_and_what_led_to_it(better: compare.Comparison) -> None:
    rows = {row.measure: row for row in better.rows}
    assert list(rows) == ["psnr", "mse"]
    assert rows["psnr"].method == rows["mse"].method == "subpixel"
    assert rows["psnr"].verdict == "better"
    assert rows["psnr"].difference == pytest.approx(2.0)
    assert rows["psnr"].low < 2 < rows["psnr"].high
    assert rows["mse"].difference < 0
    assert better.same == 8  # the other measures of subpixel and of PCA beside it
    assert better.untouched == ["baselines", "simple"]
    assert better.changes.params == ["variants.subpixel.learning_rate: not set → 0.008"]
    assert better.changes.code == better.changes.data == better.changes.packages == better.remeasured == []
    assert better.facts == [("subpixel", "kl_nats", 3.0, 3.2)]


def test_old_and_new_are_means_in_which_each_photograph_counts_alike(better: compare.Comparison) -> None:
    row, table = better.rows[0], scores("subpixel")
    assert row.old == pytest.approx(table.groupby("photo")["psnr"].mean().mean(), rel=1e-6)
    assert row.new - row.old == pytest.approx(row.difference)


def test_only_pictures_that_differ_are_shown(better: compare.Comparison) -> None:
    assert better.pictures == {"subpixel": {"photograph": (png(0), png(200))}}


def test_the_other_way_round_it_is_worse(here: Workspace) -> None:
    found = compare.compare("second", "first")
    assert (found.rows[0].measure, found.rows[0].verdict) == ("psnr", "worse")


def test_a_revision_does_not_differ_from_itself_or_from_its_workspace(here: Workspace) -> None:
    found = compare.compare("second")
    assert (found.rows, found.refused, found.pictures, found.stale, bool(found.changes)) == ([], {}, {}, [], False)
    assert comparison.sentence(found) == "Nothing changed."
    commit = here.run("git", "rev-parse", "--short=7", "HEAD").stdout.strip()
    assert f"`second ({commit})` → `workspace ({commit})`" in comparison.markdown(found)


def test_a_workspace_that_is_not_rebuilt_is_told_so(here: Workspace) -> None:
    here.edit_params(variants__subpixel__learning_rate=0.009)
    try:
        found = compare.compare("second")
    finally:
        here.run("git", "checkout", "--quiet", "params.yaml")
    assert found.stale == ["train@subpixel", "report"]
    assert re.match(
        r"The results of the workspace \(\w{7} with changes\) are not current \(train@subpixel, report\)",
        comparison.sentence(found),
    )


def test_dvcs_own_diff_of_metrics_shows_what_changed_and_nothing_else(here: Workspace) -> None:
    from dvc.repo import Repo

    with Repo() as repo:
        changed = repo.metrics.diff("first", "second")["diff"]
    assert {name: set(metrics) for name, metrics in changed.items()} == {
        "metrics/summary.json": {"variants.subpixel.psnr", "variants.subpixel.kl_nats"}
    }


def test_scores_on_other_patches_are_not_compared(here: Workspace) -> None:
    found = compare.compare("first", "other_patches")
    assert (found.rows, found.facts, found.pictures) == ([], [], {})
    assert comparison.sentence(found) == (
        "The scores of the test photographs can't be compared: data/pairs/test differs, because of "
        "targets.conversion: bt601 → bt709."
    )
    assert "psnr" not in comparison.markdown(found)


def test_other_code_that_scores_is_named(here: Workspace) -> None:
    found = compare.compare("first", "other_code")
    assert found.remeasured == ["stages/evaluate/measures.py (baselines, evaluate)"]
    assert "Measured otherwise" in comparison.text(found)
    assert compare.compare("second", "other_code").remeasured == []  # no score changed


def test_variants_that_came_and_went_are_listed(here: Workspace) -> None:
    assert compare.compare("second", "added").changes.added == ["more"]
    found = compare.compare("added", "second")
    assert found.changes.removed == ["more"]
    assert found.untouched == ["baselines", "simple", "subpixel"]  # not what dvc.lock alone still has


def test_a_revision_that_git_does_not_know_is_refused(here: Workspace) -> None:
    with pytest.raises(ArtifactError, match="git knows no revision 'nowhere'"):
        compare.compare("nowhere")


def test_text_and_markdown_begin_with_the_verdict(better: compare.Comparison) -> None:
    text, markdown = comparison.text(better), comparison.markdown(better)
    assert text.splitlines()[2].startswith("Better: subpixel psnr (+2 dB)")
    assert markdown.startswith("**Better: subpixel psnr (+2 dB)")
    assert "| subpixel | psnr (dB) |" in markdown


def test_the_page_is_the_report_with_a_section_more_and_nothing_outside_it(better: compare.Comparison) -> None:
    page = comparison.page(PAGE, better)
    assert page.index('<section id="comparison">') < page.index("<h2>Results</h2>") < page.index("<h2>Probes</h2>")
    assert page.count("data:image/png;base64,") == 2
    assert 'href="provenance.html#simple"' in page
    assert "../" not in page and "http" not in page


def test_the_command_reads_what_only_the_remote_has_and_says_when_it_is_damaged_or_gone(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clone, remote = made.copy(tmp_path / "clone"), tmp_path / "remote"
    with (clone.folder / ".dvc/config").open("a") as config:  # since `first`, which knew of no remote
        config.write(f"    remote = team\n['remote \"team\"']\n    url = {remote}\n    verify = true\n")
    shutil.move(clone.folder / ".dvc/cache", remote)
    shutil.rmtree(clone.folder / "data/evaluations")
    monkeypatch.chdir(clone.folder)
    monkeypatch.setattr("sys.argv", ["compare", "first", "--markdown", "comment.md"])
    command.main()
    assert capsys.readouterr().out.splitlines()[2].startswith("Better: subpixel psnr (+2 dB)")
    assert "Better: subpixel psnr (+2 dB)" in (clone.folder / "comment.md").read_text()
    assert '<section id="comparison">' in (clone.folder / "data/comparison.html").read_text()
    clone.run("git", "check-ignore", "data/comparison.html")
    evaluate(tmp_path, "subpixel")  # as in `first`
    md5 = hashlib.md5((tmp_path / "data/evaluations/subpixel/scores.csv").read_bytes()).hexdigest()
    table = remote / "files/md5" / md5[:2] / md5[2:]
    table.chmod(0o644)
    table.write_bytes(table.read_bytes()[:-1])
    found = compare.compare("first")
    assert re.search(r"subpixel/scores.csv is damaged .* `make audit REPAIR=1`", found.missing)
    assert (found.rows, found.pictures) == ([], {})
    shutil.rmtree(remote)
    command.main()
    comment = (clone.folder / "comment.md").read_text()
    assert comment.startswith("**No scores were compared: not all can be had here. first (")
    assert "`git switch --detach first && make pull && git switch -`" in comment
    assert "- `variants.subpixel.learning_rate: not set → 0.008`" in comment
    assert "There is no page with pictures: workspace" in capsys.readouterr().out
    assert not (clone.folder / "data/comparison.html").exists()


# === tables made by hand ===


def pair(method: str, measure: str, differences: list[float], test_set: str = "") -> compare.Pair:
    photos = np.array([f"photo {number}" for number in range(len(differences))])
    old = np.full(len(differences), 30.0)
    return compare.Pair(test_set, method, measure, photos, old, old + differences)


def test_tables_of_other_patches_are_never_paired() -> None:
    keys = compare.KEYS["scores.csv"]
    table = scores("simple")
    assert compare.alike(table, table.sample(frac=1, random_state=1), keys)
    assert not compare.alike(table, table.assign(column=table["column"] + 1), keys)
    assert not compare.alike(table, table.iloc[1:], keys)
    twice = pd.concat([table, table.iloc[:1]])
    assert not compare.alike(table, twice, keys)
    assert not compare.alike(twice, twice, keys)  # which goes with which?
    assert compare.alike(table, pd.concat([table, scores("another").iloc[:1]]), keys)  # which only one has


def test_values_are_paired_by_patch_in_whatever_order_they_stand() -> None:
    table = scores("simple")
    for found in compare.values("", table, table.sample(frac=1, random_state=1), compare.KEYS["scores.csv"]):
        assert np.array_equal(found.old, found.new)


@pytest.mark.parametrize(
    ("measure", "verdict"), [("psnr", "better"), ("ssim", "better"), ("mse", "worse"), ("mae", "worse")]
)
def test_more_error_is_worse_and_more_of_anything_else_better(measure: str, verdict: str) -> None:
    (row,) = compare.judged([pair("simple", measure, [1.0, 1.01, 0.99])], {})
    assert row.verdict == verdict


def test_the_more_scores_are_looked_at_the_more_a_difference_has_to_show() -> None:
    shown = pair("simple", "psnr", [1.0, 1.4, 0.7])
    noise = [pair(f"variant_{number}", "psnr", [1.0, -1.1, 0.2]) for number in range(9)]
    assert compare.judged([shown], {})[0].verdict == "better"
    assert compare.judged([shown, *noise], {})[0].verdict == "none"


def test_psnr_and_ssim_of_patches_need_to_show_less_than_the_rest() -> None:
    rest = [pair("simple", f"e_{number}", [1.0, 1.3, 0.8]) for number in range(9)]
    rows = compare.judged([pair("simple", "psnr", [1.0, 1.3, 0.8]), *rest], {})
    assert [row.verdict for row in rows] == ["better", *["none"] * 9]
    assert rows[0].smallest < rows[1].smallest / 3


def test_a_single_photograph_is_told_as_such() -> None:
    rows = compare.judged([pair("simple", "psnr", [5.0])], {})
    found = compare.Comparison("old", "new", Changes([], [], [], [], [], []), rows=rows)
    assert rows[0].verdict == "none"
    assert "With a single photograph nothing can be said of others." in comparison.sentence(found)
    assert "one photograph" in comparison.text(found)


def test_a_difference_that_a_seed_might_make_is_marked() -> None:
    luck = {("simple", "psnr"): 0.5, ("vae", "psnr"): 0.1}
    rows = compare.judged([pair(name, "psnr", [1.0, 1.01, 0.99]) for name in ("simple", "vae", "other")], luck)
    assert [row.luck for row in rows] == [True, False, False]
    elsewhere = compare.judged([pair("simple", "psnr", [1.0, 1.01, 0.99], test_set="histology")], luck)
    assert not elsewhere[0].luck  # seeds were scored on the test photographs


class Held(Revision):
    """A revision whose dvc.lock and files are given."""

    def __init__(self, stages: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
        self.name, self.title, self.stages, self.tables = "held", "held", stages, tables

    def names(self, folder: str) -> set[str]:
        return {path.rpartition("/")[2] for path in self.tables if path.startswith(f"{folder}/")}

    def table(self, path: str) -> pd.DataFrame:
        return self.tables[path]

    def git_file(self, path: str) -> bytes | None:
        return None

    def code(self, path: str) -> dict[str, bytes]:
        return {}


def held(
    gain: float, photos: str = "1", patches: str = "1", conversion: str = "bt601", shown: int = 3, cut: str = "1"
) -> Held:
    """A test set `other` on which simple scored `gain` dB more, with the hashes of its and of the test photographs."""

    def stage(path: str, md5: str, **params: Any) -> dict[str, Any]:
        return {"outs": [{"path": path, "md5": md5}], "deps": [], "params": {"params.yaml": params}}

    targets = {"conversion": conversion, "shard_patches": int(patches)}
    stages = {
        "targets": stage(compare.PATCHES, patches, targets=targets),
        "evaluate@simple": stage("data/evaluations/simple", str(gain)),
        "fetch_set@other": stage("data/test_sets/other", photos, **{"test_sets.other": {"limit": int(photos)}}),
        "evaluate_set@other": stage("data/evaluations/test_sets/other", str(gain), targets=targets),
    }
    stages["evaluate_set@other"]["deps"] = [{"path": f"{compare.CUTTING}cutting.py", "md5": cut}]
    tables = {
        "data/evaluations/simple/scores.csv": scores("simple", gain),
        "data/evaluations/simple/contrast.csv": contrast("simple").iloc[:shown],
        "data/evaluations/test_sets/other/scores.csv": scores("simple", -gain),
    }
    return Held(stages, tables)


def test_a_test_set_has_rows_of_its_own() -> None:
    found = compare.between(held(0), held(3))
    assert [(row.test_set, row.verdict) for row in found.rows if row.measure == "psnr"] == [
        ("", "better"),
        ("other", "worse"),
    ]
    assert "Worse: simple on other psnr (-3 dB)" in comparison.sentence(found)


def test_test_set_and_test_photographs_are_refused_one_by_one() -> None:
    found = compare.between(held(0), held(3, photos="2"))
    assert found.refused == {"other": "data/test_sets/other differs, because of test_sets.other.limit: 1 → 2"}
    assert {row.test_set for row in found.rows} == {""}
    found = compare.between(held(0), held(3, patches="2"))  # the same patches, stored otherwise: but who knows
    assert found.refused == {"": "data/pairs/test differs, because of targets.shard_patches: 1 → 2"}
    assert {row.test_set for row in found.rows} == {"other"}
    found = compare.between(held(0), held(3, patches="2", conversion="bt709"))
    assert list(found.refused) == ["", "other"]
    assert found.rows == []
    found = compare.between(held(0), held(3, cut="2"))  # other code cuts it: other pixels at the same places
    assert found.refused == {"other": "its patches may differ, because of stages/targets/cutting.py (evaluate_set)"}


def test_a_table_of_other_photographs_is_left_out_and_named() -> None:
    found = compare.between(held(0), held(3, shown=2))
    assert [line.partition(":")[0] for line in found.unpaired] == ["data/evaluations/simple/contrast.csv"]
    assert [row.measure for row in found.rows if not row.test_set] == ["psnr", "mse"]


def test_what_rounding_alone_may_change_is_the_same() -> None:
    new = held(3)
    for path, table in held(0).tables.items():
        noise = table.select_dtypes("float") * 1e-7
        new.tables[path] = table.assign(**(table[noise.columns] + noise))
    assert compare.between(held(0), new).rows == []


def without(of: Held, *paths: str) -> Held:
    return Held(of.stages, {path: table for path, table in of.tables.items() if path not in paths})


def test_when_nothing_can_be_paired_it_is_not_called_the_same() -> None:
    new = held(3, shown=2)
    for path in new.tables:
        new.tables[path] = new.tables[path].iloc[1:]
    found = compare.between(held(0), new)
    assert len(found.unpaired) == 3
    assert comparison.sentence(found) == (
        "Tables, methods, measures or pictures that can't be compared: 3. There is no score that both have."
    )


def test_a_value_that_is_no_number_gives_no_verdict_and_takes_none_away() -> None:
    scored = "data/evaluations/simple/scores.csv"
    new = held(3)
    new.tables[scored] = new.tables[scored].assign(ssim=[float("nan"), *[0.9] * 18], mae=float("nan"))
    found = compare.between(held(0), new)
    assert [row.measure for row in found.rows if not row.test_set] == ["psnr", "mse"]
    assert found.unpaired == [
        f"simple {measure}: not a number of every patch or photograph" for measure in ("ssim", "mae")
    ]
    both = held(0)
    both.tables[scored] = both.tables[scored].assign(mae=float("nan"))
    assert "simple mae: not a number of every patch or photograph" not in compare.between(both, new).unpaired


def test_columns_and_tables_that_only_one_revision_has_are_named() -> None:
    scored, kept, other = held(0).tables
    new = without(held(3), kept)
    new.tables[scored] = new.tables[scored].assign(lpips=0.1, note="text")
    new.tables[other] = new.tables[other].drop(columns="row")
    found = compare.between(held(0), new)
    assert found.unpaired == [
        f"{scored}: lpips only in one of the two",
        f"{kept}: only in held",
        f"{other}: not of the same patches or photographs in both",
    ]
    assert [row.measure for row in found.rows] == ["psnr", "mse"]
    del new.stages["evaluate_set@other"]
    assert compare.between(held(0), new).unpaired[0] == "data/evaluations/test_sets/other: only in held"


def test_scores_are_compared_without_the_pictures_if_these_are_gone() -> None:
    class Damaged(Held):
        def names(self, folder: str) -> set[str]:
            return super().names(folder) | {"photograph.png"}

        def read(self, path: str) -> bytes:
            raise UnavailableError(f"{path} is damaged")

    old, new = (Damaged(side.stages, side.tables) for side in (held(0), held(3)))
    found = compare.between(old, new)
    assert found.unpaired == ["data/evaluations/simple/photograph.png is damaged"]
    assert (len(found.rows), found.missing) == (4, "")


def test_a_study_without_scores_knows_of_no_luck() -> None:
    class Studied(Held):
        study = b"study,variant,seed\nseeds,simple,1\nseeds,simple,2\nseeds,simple,3\n"

        def git_file(self, path: str) -> bytes | None:
            return self.study if path == "metrics/studies.csv" else None

    revision = Studied({}, {})
    assert compare.luck_of_seeds(revision) == {}
    revision.study = b"run\n1\n"
    assert compare.luck_of_seeds(revision) == {}


def test_to_declare_a_param_or_code_changes_nothing() -> None:
    """In any of the ways in which the other revision may know of it: from another stage, or from its file."""

    class Written(Held):
        def git_file(self, path: str) -> bytes | None:
            return {"environment.yaml": b"keras: 3.15.1\n", "params.yaml": b"train:\n  seed: 1\n"}.get(path)

        def code(self, path: str) -> dict[str, bytes]:
            return {path: b"code"}

    def stage(deps: list[str], **params: Any) -> dict[str, Any]:
        return {"deps": [{"path": path, "md5": "1"} for path in deps], "params": params}

    old = {"train": stage([]), "report": stage([], **{"params.yaml": {"evaluate": {"threads": 2}}})}
    declared = {"train": {"seed": 1}, "evaluate": {"threads": 2}}
    train = stage(["stages/train"], **{"params.yaml": declared, "environment.yaml": {"keras": "3.15.1"}})
    for sides in ((old, {**old, "train": train}), ({**old, "train": train}, old)):
        assert not changes(Written(sides[0], {}), Written(sides[1], {}))
    declared["train"]["seed"] = 2
    found = changes(Written(old, {}), Written({**old, "train": train}, {}))
    assert (found.params, found.packages, found.code) == (["train.seed: 1 → 2"], [], [])


def test_stages_are_named_by_their_group_whatever_variants_came_or_went() -> None:
    def stages(md5: str, names: str) -> dict[str, Any]:
        return {f"train@{name}": {"deps": [{"path": "stages/train/fit.py", "md5": md5}]} for name in names}

    assert changes(Held(stages("1", "abc"), {}), Held(stages("2", "bcd"), {})).code == ["stages/train/fit.py (train)"]


def test_no_line_of_the_text_is_wider_than_a_terminal_and_no_sentence_names_everything() -> None:
    rows = compare.judged([pair(f"variant_{number}", "psnr", [1.0, 1.01, 0.99]) for number in range(20)], {})
    long = Changes(["key: " + "value, " * 40], [], ["stages/" + "x" * 150 + ".py"], [], [], [])
    text = comparison.text(compare.Comparison("old", "new", long, rows=rows))
    assert max(map(len, text.splitlines())) <= comparison.WIDTH
    assert "variant_11 psnr (+1 dB) and 8 more." in " ".join(text.split())


def test_photographs_that_differ_alike_are_told_as_such() -> None:
    (row,) = compare.judged([pair("simple", "psnr", [0.01, 0.01001])], {})  # of 30.00000
    assert row.verdict == "none"
    assert comparison.cells(row)[5] == "alike"
