"""From a number back to what it came from: `python -m tools.trace subpixel.ssim`.

Reads dvc.lock and git alone, so it works in a clone that holds no data. Nothing is computed again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

LOCK, SUMMARY = Path("dvc.lock"), Path("metrics/summary.json")


class TraceError(Exception):
    """The number can't be traced; the message says why."""


def main() -> None:
    """Print the chain of one number; exit with 1 and a message if there is none."""
    parser = argparse.ArgumentParser(prog="python -m tools.trace", description=__doc__)
    parser.add_argument("metric", help="such as subpixel.ssim, luma.psnr, or naive.read_outs.luma.ssim")
    metric = parser.parse_args().metric
    try:
        print("\n".join(trace(metric)))
    except TraceError as error:
        raise SystemExit(f"trace: {error}") from None


def trace(metric: str) -> Iterator[str]:
    """The lines to print for `metric`, a key of metrics/summary.json with or without its first part.

    Raises:
        TraceError: there is no such number, or dvc.lock does not know where it came from.
    """
    group, name, value = find(json.loads(SUMMARY.read_text(encoding="utf-8")), metric)
    stages = YAML(typ="safe", pure=True).load(LOCK)["stages"]
    scored = evaluation_of(group, name, stages)
    yield f"{group}.{name}.{metric.removeprefix(f'{group}.').removeprefix(f'{name}.')} = {value}"
    yield f"read from {SUMMARY}, which is {commit_of(SUMMARY)}"
    for stage in ["report", *upstream(scored, stages)]:
        yield ""
        yield from describe(stage, stages)


def find(summary: dict[str, Any], metric: str) -> tuple[str, str, float]:
    """Group (`variants` or `baselines`), method and value of a number of the summary."""
    for group in ("variants", "baselines"):
        name, _, key = metric.removeprefix(f"{group}.").partition(".")
        value: Any = summary[group].get(name)
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            return group, name, value
    known = ", ".join([*summary["variants"], *summary["baselines"]])
    raise TraceError(f"{SUMMARY} has no number {metric!r}; write <method>.<measure>, where methods are {known}")


def evaluation_of(group: str, name: str, stages: dict[str, Any]) -> str:
    """The stage that scored a method. PCA is scored beside the variants of its latent size: any of them will do."""
    if group == "variants":
        stage = f"evaluate@{name}"
    elif name.startswith("pca_"):
        summary = json.loads(SUMMARY.read_text(encoding="utf-8"))["variants"]
        sizes = {variant: row["latent"] for variant, row in summary.items()}
        components = int(name.removeprefix("pca_"))  # of a latent of that size, or of one with more numbers than pixels
        stage = next(
            f"evaluate@{variant}" for variant in sorted(sizes, key=sizes.__getitem__) if sizes[variant] >= components
        )
    else:
        stage = "baselines"
    if stage not in stages:
        raise TraceError(f"{LOCK} has no stage {stage}; run `dvc repro`")
    return stage


def upstream(stage: str, stages: dict[str, Any]) -> list[str]:
    """`stage` and all stages that its inputs come from, nearest first."""
    makers = {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}
    chain = [stage]
    for name in chain:
        found = [makers[dep["path"]] for dep in stages[name]["deps"] if dep["path"] in makers]
        chain += [maker for maker in dict.fromkeys(found) if maker not in chain]
    return chain


def describe(stage: str, stages: dict[str, Any]) -> Iterator[str]:
    """One stage: its command, its data, code and params as dvc.lock holds them, each with a hash or a commit."""
    entry = stages[stage]
    yield f"{stage}: {entry['cmd']}"
    for out in entry.get("outs", []):
        yield f"  made    {out['path']}  md5 {out['md5']}"
    for dep in entry["deps"]:
        is_code = dep["path"].startswith("stages")
        origin = f"  {commit_of(Path(dep['path']))}" if is_code else ""
        yield f"  {'code' if is_code else 'data':7} {dep['path']}  md5 {dep['md5']}{origin}"
    for file, values in entry.get("params", {}).items():
        for key, value in values.items():
            yield f"  {'package' if file == 'environment.yaml' else 'param':7} {key}: {value}"


def commit_of(path: Path) -> str:
    """The last commit that changed a file or folder, and whether it has changed since."""
    log = subprocess.run(
        ["git", "log", "-1", "--format=%h of %cs", "--", path], capture_output=True, text=True, check=True
    )
    dirty = subprocess.run(["git", "status", "--porcelain", "--", path], capture_output=True, text=True, check=True)
    commit = f"commit {log.stdout.strip()}" if log.stdout else "not committed"
    return commit + (", changed since" if dirty.stdout and log.stdout else "")


if __name__ == "__main__":
    main()
