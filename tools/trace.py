"""Follows a score back to its inputs: `python -m tools.trace subpixel.ssim` (`make trace METRIC=subpixel.ssim`).

Reads dvc.lock, manifests and git, so it works in a clone without data.
"""

import argparse
import csv
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tools import LOCK, ToolError, makers, output_of, read_lock

SCORES = Path("metrics/scores")
CODE = ("stages/", "grayscale/")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.trace", description=__doc__)
    parser.add_argument("metric", help="<method>.<measure>, as in `dvc metrics show`: subpixel.ssim")
    metric = parser.parse_args().metric
    try:
        print("\n".join(trace(metric)))
    except ToolError as error:
        raise SystemExit(f"trace: {error}") from None
    except FileNotFoundError as error:
        raise SystemExit(f"trace: {error.filename} is missing; run `make repro`") from None


def trace(metric: str) -> Iterator[str]:
    """The lines to print for `<method>.<measure>`; `ToolError` if there is none."""
    stages = read_lock()
    made_by = makers(stages)
    method, _, measure = metric.partition(".")
    files = {file.stem: file for file in sorted(SCORES.glob("*.json")) if str(file) in made_by}
    scores = json.loads(files[method].read_text(encoding="utf-8")) if method in files else {}
    if measure not in scores:
        raise ToolError(
            f"there is no score {metric!r}; name one as METRIC=<method>.<measure>, such as subpixel.ssim; methods are "
            f"{', '.join(files)}"
        )
    yield f"{metric} = {scores[measure]}"
    yield f"read from {files[method]}, which is {commit_of(files[method])}"
    for stage in upstream(made_by[str(files[method])], stages):
        yield f"\n{stage}: {stages[stage]['cmd']}"
        yield from links(stages[stage])


def upstream(stage: str, stages: dict[str, Any]) -> list[str]:
    """`stage` and all stages that it depends on, nearest first."""
    made_by, chain = makers(stages), [stage]
    for name in chain:
        for dep in stages[name]["deps"]:
            parents = [maker for path, maker in made_by.items() if Path(path).is_relative_to(dep["path"])]
            chain += [parent for parent in dict.fromkeys(parents) if parent not in chain]
    return chain


def links(entry: dict[str, Any]) -> Iterator[str]:
    """The outputs and inputs of a stage in dvc.lock, with the commit that changed or recorded each."""
    for out in entry["outs"]:
        yield f"  made    {out['path']}: md5 {out['md5']}  {recorded().get(out['md5'], 'not committed')}"
    for dep in entry["deps"]:
        is_code = dep["path"].startswith(CODE)
        commit = commit_of(Path(dep["path"])) if is_code else recorded().get(dep["md5"], "not committed")
        yield f"  {'code' if is_code else 'data'}    {dep['path']}: md5 {dep['md5']}  {commit}"
    for file, values in entry.get("params", {}).items():
        for key, value in values.items():
            yield f"  {'package' if file == 'environment.yaml' else 'param  '} {key}: {value}"
            if key == "fetch":  # only the bundled photographs' manifest is in git
                bundled = value["source"] == "bundled"
                yield from photographs(Path(value["inputs"]) if bundled else Path("data/photos/manifest.csv"))


def photographs(manifest: Path) -> Iterator[str]:
    """The rows of a manifest; none if it is missing."""
    text = manifest.read_text(encoding="utf-8") if manifest.exists() else ""
    for row in csv.DictReader(text.split("\n")):
        yield f"  photo   {row['name']} ({row['split']}): sha256 {row['sha256']}  {commit_of(manifest)}"


@cache
def commit_of(path: Path) -> str:
    """The last commit that changed a file or folder, and whether the file differs from it now."""
    commit = output_of("git", "log", "-1", "--format=%h of %cs", "--", str(path))
    changed = commit and output_of("git", "status", "--porcelain", "--", str(path))
    return (f"commit {commit}" if commit else "not committed") + (", changed since" if changed else "")


@cache
def recorded() -> dict[str, str]:
    """Hash in dvc.lock → the commit that wrote it there."""
    plain = ("-c", "blame.coloring=none", "-c", "blame.blankBoundary=false")  # whatever the user's settings are
    blamed = output_of("git", *plain, "blame", "--date=short", str(LOCK))
    lines = re.findall(r"^\^?(\w+) .* ([\d-]+) +\d+\) +md5: (\S+)$", blamed, flags=re.MULTILINE)
    return {md5: f"commit {commit[:7]} of {day}" for commit, day, md5 in lines if commit.strip("0")}


if __name__ == "__main__":
    main()
