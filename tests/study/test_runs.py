"""studies.yaml is checked whole, and refused with a message that names the key."""

from pathlib import Path

import pytest

from stages.common.settings import SettingsError
from stages.formats import manifest
from stages.study import inputs, runs, table
from tests.conftest import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    params = (REPOSITORY / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("replicas: 1 ", "replicas: 2 "))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_committed_runs_are_valid_and_their_rows_of_one_kind_of_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    scenes = list(dict.fromkeys(manifest.rows(Path("stages/fetch/bundled.csv"))["scene"]))
    assert len(scenes) == 10
    loaded = runs.load(scenes)
    for name, (run, _) in loaded.items():
        assert name.startswith(f"{run.study}_{run.variant}")
        assert run.overrides or run.photographs or run.leave, f"{name} changes nothing"
        assert f"seeds_{run.variant}_1" in loaded, "by which the report tells whether runs go with its results"
    trainings = [(run.photographs, run.leave, variant) for run, variant in loaded.values()]
    assert all(trainings.count(training) == 1 for training in trainings), "the same training twice"
    left = {(run.variant, run.leave) for run, _ in loaded.values() if run.leave}
    assert {("simple", "motorcycle"), ("bottleneck", "coffee"), ("vae", "retina"), ("adaptive", "chelsea")} <= left
    rows = table.read()  # need not have all: the report says which `make study` would measure
    assert set(rows) <= set(loaded)
    assert len({tuple(row[split] for split in inputs.SPLITS) for row in rows.values()}) <= 1


def test_the_study_of_scenes_has_a_run_for_each_variant_and_each_of_the_first_scenes(folder: Path) -> None:
    entry = "runs:\n  a: {study: loss, variant: vae, loss: mae}\nscenes: {variants: [vae, simple_mae], at_most: 2}\n"
    runs.PARAMS.write_text(entry)
    found = {name: (run.variant, run.leave) for name, (run, _) in runs.load(["coffee", "A 1/b.jpg", "x"]).items()}
    assert found == {
        "a": ("vae", None),
        "scenes_vae_coffee": ("vae", "coffee"),
        "scenes_vae_a_1_b_jpg_2a9ea8": ("vae", "A 1/b.jpg"),
        "scenes_simple_mae_coffee": ("simple_mae", "coffee"),
        "scenes_simple_mae_a_1_b_jpg_2a9ea8": ("simple_mae", "A 1/b.jpg"),
    }
    assert list(runs.load()) == ["a"]  # no photographs yet
    wrong = {"{variants: [lenet], at_most: 1}": "no variant 'lenet'", "{at_most: 0}": "scenes.at_most"}
    for scenes, words in wrong.items():
        runs.PARAMS.write_text(entry.partition("scenes")[0] + f"scenes: {scenes}\n")
        with pytest.raises(SettingsError, match=words):
            runs.load(["coffee"])


def test_a_run_overrides_its_variant_and_keeps_the_rest(folder: Path) -> None:
    runs.PARAMS.write_text("runs:\n  a: {study: sigma, variant: vae, sigma: 0.1, seed: 5, photographs: 2}\n")
    run, variant = runs.load()["a"]
    assert (run.study, run.variant, run.photographs) == ("sigma", "vae", 2)
    assert run.overrides == {"sigma": 0.1, "seed": 5}
    assert variant.options == {"latent": 32, "sigma": 0.1}
    assert (variant.seed, variant.batch) == (5, 8)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("a: {study: loss, variant: resnet}", ["runs.a.variant", "no variant 'resnet' in params.yaml", "simple"]),
        ("a: {study: luck, variant: simple}", ["runs.a.study", "'seeds'", "'luck'"]),
        ("a: {variant: simple}", ["runs.a.study", "missing"]),
        ("a: {study: loss}", ["runs.a.variant", "missing"]),
        ("a: {study: loss, variant: simple, los: mae}", ["runs.a", "unknown key 'los'", "loss"]),
        ("a: {study: loss, variant: simple, loss: mad}", ["runs.a.loss", "'mae'", "'mad'"]),
        ("a: {study: loss, variant: simple, network: vae}", ["runs.a.network", "another variant"]),
        ("a: {study: sigma, variant: vae, sigma: 7}", ["runs.a", "sigma is 7", "from 0.001 to 1.0"]),
        ("a: {study: seeds, variant: vae, photographs: 0}", ["runs.a.photographs", "greater than or equal to 1"]),
        ("a: {study: seeds, variant: vae, batch: 31}", ["runs.a.batch (31) must be a multiple of train.replicas (2)"]),
        ("a: {study: seeds, variant: vae, budget: 1}", ["runs.a", "must be below budget (1)"]),
        ("A: {study: seeds, variant: vae}", ["runs.A", "pattern"]),
        ("a: 3", ["runs.a", "3"]),
    ],
)
def test_an_impossible_run_is_refused_by_name(folder: Path, entry: str, words: list[str]) -> None:
    runs.PARAMS.write_text(f"runs:\n  good: {{study: seeds, variant: simple, seed: 2}}\n  {entry}\n")
    with pytest.raises(SettingsError) as caught:
        runs.load()
    message = str(caught.value)
    assert message.startswith("studies.yaml: runs.")
    assert len(message.splitlines()) == 1
    assert [word for word in words if word not in message] == []


def test_every_fault_has_its_line(folder: Path) -> None:
    runs.PARAMS.write_text("runs:\n  a: {study: x, variant: simple}\n  b: {study: seeds, variant: y}\n")
    with pytest.raises(SettingsError, match=r"runs\.a.*\n.*runs\.b.*$"):
        runs.load()


@pytest.mark.parametrize(
    "text", ["", "- 1", "runs: {}", "runs: [a]", "run: {a: 1}", "{runs: {a: {}}, scene: 1}", "a: [", None]
)
def test_a_file_of_another_shape_or_none_is_refused(folder: Path, text: str | None) -> None:
    if text is not None:
        runs.PARAMS.write_text(text)
    with pytest.raises(SettingsError, match=r"^studies\.yaml: " + ("" if text is not None else "not found")):
        runs.load()
