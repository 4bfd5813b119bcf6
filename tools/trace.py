"""Follows a score back to its inputs: `python -m tools.trace subpixel.ssim` (`make trace METRIC=subpixel.ssim`).

Reads dvc.lock, manifests and git, so it works in a clone without data.
"""

import argparse
import csv
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tools import LOCK, ToolError, output_of, read_lock

SCORES, TABLES = Path("metrics/scores"), Path("data/report")
CODE = ("stages/", "grayscale/")


class Link(NamedTuple):
    """An input or output of a stage."""

    kind: str  # made, data, code, param, package or photo
    name: str
    value: str  # hash, or value of a param
    commit: str = ""  # the last that changed it, or that recorded its hash in dvc.lock


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.trace", description=__doc__)
    parser.add_argument("metric", help="<method>.<measure>, such as subpixel.ssim; or <test set>.<method>.<measure>")
    metric = parser.parse_args().metric
    try:
        print("\n".join(trace(metric)))
    except ToolError as error:
        raise SystemExit(f"trace: {error}") from None
    except FileNotFoundError as error:
        raise SystemExit(f"trace: {error.filename} is missing; run `make repro`") from None


def trace(metric: str) -> Iterator[str]:
    """The lines to print for `<method>.<measure>` or `<test set>.<method>.<measure>`; `ToolError` if there is none."""
    stages = read_lock()
    test_set, method, measure = ["", "", *metric.split(".")][-3:]
    scores = read_scores(stages, test_set)
    if measure not in scores.get(method, {}):
        raise ToolError(
            f"there is no score {metric!r}; name one as METRIC=<method>.<measure>, such as subpixel.ssim; methods are "
            f"{', '.join(scores)}"
        )
    score = scores[method]
    yield f"{metric} = {score[measure]}"
    yield f"read from {score['file']}, which is {commit_of(Path(score['file']))}"
    for stage in upstream(score["stage"], stages):
        yield f"\n{stage}: {stages[stage]['cmd']}"
        for link in links(stages[stage]):
            yield f"  {link.kind:7} {link.name}: {link.value}  {link.commit}".rstrip()


def read_scores(stages: dict[str, Any], test_set: str = "") -> dict[str, dict[str, Any]]:
    """Method → its scores, their `file`, and the `stage` that wrote them.

    Scores of variants and baselines are in metrics/scores, which git keeps; those of PCA are only in data/report.

    Raises:
        ToolError: there is no such test set, or dvc.lock lacks a stage that wrote scores.
    """
    scores: dict[str, dict[str, Any]] = {}
    table = TABLES / (f"test_set_{test_set}.csv" if test_set else "methods.csv")
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            scores = {row["method"]: {**row, "file": str(table)} for row in csv.DictReader(file)}
    elif test_set:
        raise ToolError(f"{table} is missing: there is no such test set, or `make repro` has not made it")
    for path in sorted(SCORES.glob("*.json")) if not test_set else ():
        if stage := makers(stages).get(str(path)):
            metrics = json.loads(path.read_text(encoding="utf-8"))
            scores[path.stem] = {**scores.get(path.stem, {}), **metrics, "file": str(path), "stage": stage}
    unknown = [score["stage"] for score in scores.values() if score["stage"] not in stages]
    if unknown:
        raise ToolError(f"{LOCK} has no stage {unknown[0]}; run `dvc repro`")
    return scores


def upstream(stage: str, stages: dict[str, Any]) -> list[str]:
    """`stage` and all stages that it depends on, nearest first."""
    made_by, chain = makers(stages), [stage]
    for name in chain:
        for dep in stages[name]["deps"]:
            parents = [maker for path, maker in made_by.items() if Path(path).is_relative_to(dep["path"])]
            chain += [parent for parent in dict.fromkeys(parents) if parent not in chain]
    return chain


def makers(stages: dict[str, Any]) -> dict[str, str]:
    """Path of an output → the stage that makes it."""
    return {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}


def links(entry: dict[str, Any]) -> Iterator[Link]:
    """The outputs and inputs of a stage in dvc.lock."""
    for out in entry.get("outs", []):
        yield Link("made", out["path"], f"md5 {out['md5']}", recorded(out["md5"]))
    for dep in entry["deps"]:
        is_code = dep["path"].startswith(CODE)
        commit = commit_of(Path(dep["path"])) if is_code else recorded(dep["md5"])
        yield Link("code" if is_code else "data", dep["path"], f"md5 {dep['md5']}", commit)
    for file, values in entry.get("params", {}).items():
        for key, value in values.items():
            yield Link("package" if file == "environment.yaml" else "param", key, str(value))
            if key == "fetch" or key.startswith("test_sets."):  # only the bundled photographs' manifest is in git
                manifest = Path(entry["outs"][0]["path"], "manifest.csv")
                yield from photographs(Path(value["inputs"]) if value["source"] == "bundled" else manifest)


def photographs(manifest: Path) -> Iterator[Link]:
    """The rows of a manifest; none if it is missing."""
    text = manifest.read_text(encoding="utf-8") if manifest.exists() else ""
    for row in csv.DictReader(text.split("\n")):
        yield Link("photo", f"{row['name']} ({row['split']})", f"sha256 {row['sha256']}", commit_of(manifest))


@cache
def commit_of(path: Path) -> str:
    """The last commit that changed a file or folder, and whether the file differs from it now."""
    commit = output_of("git", "log", "-1", "--format=%h of %cs", "--", str(path))
    changed = commit and output_of("git", "status", "--porcelain", "--", str(path))
    return (f"commit {commit}" if commit else "not committed") + (", changed since" if changed else "")


@cache
def recorded(md5: str) -> str:
    """The last commit that wrote a hash into dvc.lock."""
    commit = output_of("git", "log", "-1", "--format=%h of %cs", "-S", md5, "--", str(LOCK))
    return f"commit {commit}" if commit and md5 in committed_lock() else "not committed"


@cache
def committed_lock() -> str:
    """dvc.lock in the last commit; empty if it has none."""
    return output_of("git", "show", f"HEAD:{LOCK}")


if __name__ == "__main__":
    main()
