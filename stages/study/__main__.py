"""Studies: `python -m stages.study` does the runs of studies.yaml that are not current, one after another or `--jobs`.

A run is current if its row in metrics/studies.csv was made from this code, these params, packages and patches. Its
model is not kept: a variant to use belongs into params.yaml. `python -m stages.study <run>` does one, in this process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from stages.common import engine
from stages.common.artifacts import ArtifactError
from stages.common.settings import SettingsError
from stages.common.stage import StageError, stage
from stages.study import inputs, runs, table
from stages.study import work as room
from stages.train import training


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.study", description=__doc__)
    parser.add_argument("run", nargs="?", help="a key of `runs` in studies.yaml (default: all that are not current)")
    parser.add_argument("--jobs", type=int, default=1, help="how many runs side by side (default 1)")
    arguments = parser.parse_args()
    try:
        wanted = {name: run for name, (run, _) in runs.load().items()}
        if arguments.run is None:
            do_all(wanted, max(1, arguments.jobs))
        elif arguments.run in wanted:
            do_one(arguments.run, wanted)
        else:
            raise SettingsError(f"{runs.PARAMS} has no run {arguments.run!r}; it has {', '.join(wanted)}")
    except (SettingsError, ArtifactError, StageError) as error:
        raise SystemExit(f"studies: {error}") from None


def do_all(wanted: dict[str, runs.Run], jobs: int) -> None:
    """Do what is not current, each run in a process of its own; a run that fails does not keep the others from theirs.

    Raises:
        StageError: names the runs that failed.
    """
    due = not_current(wanted)
    print(f"studies: {len(due)} of {len(wanted)} runs are not current", flush=True)

    def succeeds(name: str) -> bool:
        return subprocess.run([sys.executable, "-m", "stages.study", name], check=False).returncode == 0

    with ThreadPoolExecutor(jobs) as pool:
        failed = [name for name, well in zip(due, pool.map(succeeds, due), strict=True) if not well]
    table.update({}, list(wanted))
    if failed:
        raise StageError(f"not done: {', '.join(failed)}; the reasons stand above. Then run `make study` again")
    if due:
        print(f"studies: all in {table.TABLE}; `make repro` draws them on the page")


def not_current(wanted: dict[str, runs.Run]) -> list[str]:
    """The runs without a row, or whose row was made from something else."""
    rows, data = table.read(), inputs.data()
    due = []
    for name, run in wanted.items():
        now = {**data, "made_from": inputs.made_from(run)}
        if {key: rows.get(name, {}).get(key) for key in now} != now:
            due.append(name)
    return due


def do_one(name: str, wanted: dict[str, runs.Run]) -> None:
    """Train and score one run, and write its row."""
    with stage("run", name, declaration=inputs.declaration(name, wanted[name].variant)) as work:
        settings, raw = work["train"], work[f"runs.{name}"]
        run, variant = runs.check(name, raw, {raw["variant"]: work[f"variants.{raw['variant']}"]}, settings)
        made_from, data = inputs.made_from(run), inputs.data()
        task = room.Task(variant, settings, work.keep / "checkpoint", photographs=run.photographs)
        result = training.done(room.do, task, work.keep, engine.load())
    facts = {"study": run.study, "run": name, "variant": run.variant, **result.facts}
    table.update({name: table.row(facts, made_from, data)}, list(wanted))
    score = facts["scores"]["test"]
    print(f"run@{name}: test PSNR {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")


if __name__ == "__main__":
    main()
