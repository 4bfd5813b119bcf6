"""Studies: `python -m stages.study` runs what studies.yaml lists and metrics/studies.csv lacks or has outdated.

A run is current if its row was made from these settings and patches, and the pipeline's result for its variant is still
the same. Models of runs are not kept. `python -m stages.study <study>` runs one study, `python -m stages.study <run>`
one run in this process.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from stages.common import engine
from stages.common.artifacts import ArtifactError
from stages.common.settings import SettingsError, Variant
from stages.common.stage import StageError, stage
from stages.study import inputs, runs, table
from stages.study.work import Task, do
from stages.train import training


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.study", description=__doc__)
    parser.add_argument("what", nargs="?", help="a study or a run (default: all runs that are not current)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default 1)")
    arguments = parser.parse_args()
    try:
        loaded = runs.load(inputs.scenes())
        wanted = {name: run for name, (run, _) in loaded.items()}
        studies = {run.study for run in wanted.values()}
        if arguments.what in wanted:
            do_one(arguments.what, *loaded[arguments.what], list(wanted))
        elif arguments.what in (None, *studies):
            do_all(wanted, arguments.what, max(1, arguments.jobs))
        else:
            known = ", ".join([*sorted(studies), *wanted])
            raise SettingsError(f"{runs.PARAMS} has no study and no run {arguments.what!r}; it has {known}")
    except (SettingsError, ArtifactError, StageError) as error:
        raise SystemExit(f"studies: {error}") from None


def do_all(wanted: dict[str, runs.Run], study: str | None, jobs: int) -> None:
    """Run what is not current of all runs or of one study, each run in its own process, `jobs` at a time.

    A failed run does not stop the others; `StageError` names those that failed.
    """
    mine = {name: run for name, run in wanted.items() if study in (None, run.study)}
    due = not_current(mine)
    print(f"studies: {len(due)} of {len(mine)} runs are not current", flush=True)

    def succeeds(name: str) -> bool:
        return subprocess.run([sys.executable, "-m", "stages.study", name], check=False).returncode == 0

    with ThreadPoolExecutor(jobs) as pool:
        failed = [name for name, well in zip(due, pool.map(succeeds, due), strict=True) if not well]
    table.update({}, list(wanted))
    if failed:
        raise StageError(f"not done: {', '.join(failed)}; see the messages above, then run `make study` again")
    if due:
        print(f"studies: all in {table.TABLE}; `make repro` draws them on the page")


def not_current(wanted: dict[str, runs.Run]) -> list[str]:
    """The runs without a row, or with a row that was made from something else."""
    rows = table.read()
    return [name for name, run in wanted.items() if not inputs.origin(run).items() <= rows.get(name, {}).items()]


def do_one(name: str, run: runs.Run, variant: Variant, order: list[str]) -> None:
    """Train and score one run, and write its row; `order` is that of the rows.

    A run that changes nothing uses the pipeline's model.
    """
    model = inputs.shipped(run, variant)
    with stage("run", name, declaration=inputs.declaration(name, run.variant)) as work:
        origin = inputs.origin(run)
        split = inputs.leave_out(run.leave) if run.leave else None
        task = Task(variant, work["train"], work.keep / "checkpoint", run.photographs, split, model)
        result = training.done(do, task, work.keep, engine.load())
    facts = {"study": run.study, "run": name, "variant": run.variant, "leave": run.leave, **result.facts}
    row = table.row(facts, origin)
    table.update({name: row}, order)
    print(f"run@{name}: test PSNR {row['psnr']} dB, SSIM {row['ssim']}")


if __name__ == "__main__":
    main()
