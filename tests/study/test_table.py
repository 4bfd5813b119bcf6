"""The table of the studies: a row per run, with the digits that matter and what it was made from."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common import settings
from stages.common.artifacts import ArtifactError, write_table
from stages.formats import manifest
from stages.study import __main__ as study
from stages.study import inputs, runs, table
from tests.conftest import REPOSITORY

DATA = {"train": "a" * 12, "validation": "0" * 12, "test": "1e10" * 3}  # one of them looks like a number


def run(variant: str, **more: int) -> runs.Run:
    return runs.Run.model_validate({"study": "seeds", "variant": variant, **more})


RUNS = {"seeds_simple_1": run("simple", seed=1), "seeds_vae_1": run("vae", seed=1)}
RECIPE = {"target": "gray", "loss": "mse", "seed": 1, "input": "colour", "flips": True, "quarter_turns": True}
FACTS: dict[str, Any] = {
    **{"study": "sigma", "run": "sigma_vae_0_1", "variant": "vae", "leave": None, "domain": None, "recipe": RECIPE},
    **{"photographs": 6, "patches": 3111, "parameters": 250_000, "epochs": 8, "best_epoch": 7, "latent": 32},
    "scores": {
        "train": {"psnr": 23.123456, "ssim": 0.5123456},
        "validation": {"psnr": 22.5, "ssim": 0.5},
        "test": {"psnr": 21.98765, "ssim": 0.4987654, "mse": 0.0063},
    },
    "end": {"psnr": 24.12345, "val_psnr": 22.25, "half_val_psnr": 22.0},
    "yardsticks": {"pca": {"psnr": 28.8123, "ssim": 0.6691234, "mse": 0.0012345678, "noise_psnr": 27.0}},
    "probes": {"hue_contrast": 5.2345678, "smoothness": 0.25},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "origin", lambda run: {**DATA, "made_from": f"{run.variant} {run.overrides['seed']}"})
    return tmp_path


def test_a_row_says_what_was_run_what_it_scored_and_from_what() -> None:
    row = table.row(FACTS, {**DATA, "made_from": "fedcba987654"})
    assert (row["run"], row["loss"], row["photographs"], row["latent"]) == ("sigma_vae_0_1", "mse", "6", "32")
    scores = ("train_psnr", "val_psnr", "psnr", "ssim", "end_train_psnr", "end_val_psnr", "pca_psnr", "pca_ssim")
    expected = ["23.123", "22.5", "21.988", "0.49877", "24.123", "22.25", "28.812", "0.66912"]
    assert [row[column] for column in scores] == expected
    probes = ("half_val_psnr", "hue_contrast", "pca_mse", "pca_noise_psnr", "leave", "luma_psnr", "kl_nats")
    assert [row[column] for column in probes] == ["22", "5.235", "0.001235", "27", "", "", ""]
    assert (row["test"], row["made_from"]) == (DATA["test"], "fedcba987654")


def test_a_run_is_due_exactly_when_its_row_was_made_from_something_else(folder: Path) -> None:
    assert study.not_current(RUNS) == list(RUNS)  # no table yet
    made = {name: table.row({**FACTS, "run": name}, inputs.origin(run)) for name, run in RUNS.items()}
    table.update(made, list(RUNS))
    assert study.not_current(RUNS) == []
    again = {**RUNS, "seeds_vae_1": run("vae", seed=2)}
    assert study.not_current(again) == ["seeds_vae_1"]
    for split in DATA:
        made["seeds_simple_1"] = {**made["seeds_simple_1"], split: "f" * 12}
        table.update(made, list(RUNS))
        assert study.not_current(RUNS) == ["seeds_simple_1"]
        made["seeds_simple_1"][split] = DATA[split]


def test_an_update_keeps_every_other_row_byte_for_byte_and_drops_runs_that_are_no_more(folder: Path) -> None:
    rows = {name: table.row({**FACTS, "run": name}, {**DATA, "made_from": "1e2345678901"}) for name in "abc"}
    table.update(rows, "abc")
    before = table.TABLE.read_text().splitlines()
    table.update({"b": {**rows["b"], "psnr": "30"}}, "cba")
    after = table.TABLE.read_text().splitlines()
    assert [after[0], after[1], after[3]] == [before[0], before[3], before[1]]
    table.update({}, "a")
    assert table.TABLE.read_text().splitlines() == [before[0], before[1]]


def test_a_damaged_table_is_refused(folder: Path) -> None:
    table.TABLE.parent.mkdir()
    table.TABLE.write_text("study,run\nseeds\n")
    with pytest.raises(ArtifactError, match="not a table of runs"):
        table.read()


def test_made_from_moves_with_settings_and_with_what_the_pipeline_makes_of_the_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in REPOSITORY.iterdir():
        if path.name != "data":
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    model, summary = Path("data/models/vae/model.keras"), Path("data/evaluations/vae/summary.json")
    score = {"psnr": 20.0, "ssim": 0.5, "mse": 0.01, "probes": dict.fromkeys(inputs.PROBED, 1.0)}

    def write(file: Path, text: str) -> None:
        file.unlink(missing_ok=True)  # a link to that of the repository
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def made_from(changed: runs.Run = RUNS["seeds_vae_1"]) -> str:
        inputs._of_variant.cache_clear()
        return inputs.origin(changed)["made_from"]

    for split in inputs.SPLITS:
        write(Path(f"data/pairs/{split}/index.csv"), split)
        write(Path(f"data/pairs/{split}/shards.csv"), "patches\n1\n")
    write(model, "weights")
    write(summary, json.dumps({"scores": {"vae": score}}))
    before, of_variant = made_from(), inputs.origin(RUNS["seeds_vae_1"])["variant_from"]
    other = run("vae", seed=1, photographs=2)
    assert made_from(other) != before
    assert inputs.origin(other)["variant_from"] == of_variant
    params, packages, pipeline = settings.PARAMS.read_text(), Path("environment.yaml"), Path("dvc.yaml")
    declared, moved = "params: [train, 'variants.${key}'", "params: ['variants.${key}', train"
    for file, new, moves in (
        (settings.PARAMS, params.replace("seed: 1 ", "seed: 7 "), True),
        (model, "other weights", True),
        (summary, json.dumps({"scores": {"vae": {**score, "psnr": 20.1}}}), True),
        (summary, json.dumps({"scores": {"vae": {**score, "more": 1}}, "more": 2}), False),
        (packages, packages.read_text() + "# said in passing\n", False),
        (pipeline, pipeline.read_text().replace(declared, moved), False),
    ):
        old = file.read_text()
        assert new != old
        write(file, new)
        assert (made_from() != before) == moves, file
        write(file, old)


def test_a_scene_is_left_out_with_all_of_its_photographs(folder: Path) -> None:
    scenes = {"a": "one", "b": "two", "c": "two", "empty": "three", "d": "four", "e": "five"}
    photographs = pd.DataFrame({"name": list(scenes), "scene": list(scenes.values())})
    write_table(inputs.MANIFEST, photographs.reindex(columns=manifest.COLUMNS, fill_value="1"))
    counts = pd.DataFrame({"photo": list(scenes), "kept": [int(name != "empty") for name in scenes]})
    write_table(inputs.COUNTS, counts)
    assert inputs.scenes() == ["one", "two", "four", "five"]
    assert inputs.leave_out("two") == {"test": ["b", "c"], "validation": ["d", "e"], "train": ["a"]}
    assert inputs.leave_out("five") == {"test": ["e"], "validation": ["a", "b", "c"], "train": ["d"]}
    write_table(inputs.COUNTS, counts[counts["photo"] != "e"])
    assert inputs.scenes() == []  # nothing would be left to train on
