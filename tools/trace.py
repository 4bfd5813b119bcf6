"""From a number back to what it came from: `python -m tools.trace subpixel.ssim`, or a page for all of them.

Reads dvc.lock, the manifest and git alone, so it works in a clone that holds no data. Nothing is computed again.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from ruamel.yaml import YAML

from stages.common.artifacts import write_text

LOCK, SUMMARY = Path("dvc.lock"), Path("metrics/summary.json")
TEMPLATE = Path(__file__).with_name("provenance.html")


class TraceError(Exception):
    """The number can't be traced; the message says why."""


@dataclass(frozen=True)
class Link:
    """One thing that a stage used or made."""

    kind: str  # made, data, code, param, package or photo
    name: str
    value: str  # its hash, or the value of a param
    commit: str = ""  # that last changed it, or that recorded its hash in dvc.lock


def main() -> None:
    """Print the chain of one number, or write the page; exit with 1 and a message if there is none."""
    parser = argparse.ArgumentParser(prog="python -m tools.trace", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("metric", nargs="?", help="such as subpixel.ssim, luma.psnr, or naive.read_outs.luma.ssim")
    what.add_argument("--page", type=Path, help="write the chains of all numbers there, as HTML")
    arguments = parser.parse_args()
    try:
        if arguments.page:
            write_text(arguments.page, page())
        else:
            print("\n".join(trace(arguments.metric)))
    except TraceError as error:
        raise SystemExit(f"trace: {error}") from None


def trace(metric: str) -> Iterator[str]:
    """The lines to print for `metric`, a key of metrics/summary.json with or without its first part.

    Raises:
        TraceError: there is no such number, or dvc.lock does not know where it came from.
    """
    stages = read_lock()
    group, name, value = find(read_summary(), metric)
    yield f"{group}.{name}.{metric.removeprefix(f'{group}.').removeprefix(f'{name}.')} = {value}"
    yield f"read from {SUMMARY}, which is {commit_of(SUMMARY)}"
    for stage in ["report", *upstream(evaluation_of(group, name, stages), stages)]:
        yield f"\n{stage}: {stages[stage]['cmd']}"
        for link in links(stages[stage]):
            yield f"  {link.kind:7} {link.name}: {link.value}  {link.commit}".rstrip()


def page() -> str:
    """The same for every method of the summary, each stage once, as HTML whose anchors are methods and stages.

    Raises:
        TraceError: dvc.lock lacks a stage that a number came from.
    """
    stages, summary = read_lock(), read_summary()
    chains = {
        name: ["report", *upstream(evaluation_of(group, name, stages), stages)]
        for group in ("variants", "baselines")
        for name in summary[group]
    }
    read_outs = {
        f"{variant}_{name}": chains[variant]
        for variant, row in summary["variants"].items()
        for name in row.get("read_outs", {})
    }
    shown = dict.fromkeys(stage for chain in chains.values() for stage in chain)
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), autoescape=True, undefined=jinja2.StrictUndefined)
    return template.render(
        chains=chains | read_outs,
        stages={name: {"cmd": stages[name]["cmd"], "links": list(links(stages[name]))} for name in shown},
        makers=makers(stages),
        summary_commit=commit_of(SUMMARY),
    )


def read_lock() -> dict[str, Any]:
    """The stages of dvc.lock."""
    return dict(_parsed(LOCK, YAML(typ="safe").load)["stages"])


def read_summary() -> dict[str, Any]:
    """The content of metrics/summary.json."""
    return dict(_parsed(SUMMARY, lambda path: json.loads(path.read_text(encoding="utf-8"))))


def _parsed(path: Path, parse: Any) -> Any:
    try:
        return parse(path)
    except FileNotFoundError:
        raise TraceError(f"{path} is missing; run `make repro`") from None


def find(summary: dict[str, Any], metric: str) -> tuple[str, str, float]:
    """Group (`variants`, `baselines` or `test_sets`), method or test set, and value of a number of the summary."""
    for group in ("variants", "baselines", "test_sets"):
        name, _, key = metric.removeprefix(f"{group}.").partition(".")
        value: Any = summary.get(group, {}).get(name)
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            return group, name, value
    known = ", ".join([*summary["variants"], *summary["baselines"]])
    raise TraceError(f"{SUMMARY} has no number {metric!r}; write <method>.<measure>, where methods are {known}")


def evaluation_of(group: str, name: str, stages: dict[str, Any]) -> str:
    """The stage that scored a method. PCA is scored beside the variants of its latent size: any of them will do."""
    if group == "test_sets":
        stage = f"evaluate_set@{name}"
    elif group == "variants":
        stage = f"evaluate@{name}"
    elif name.startswith("pca_"):
        sizes = {variant: row["latent"] for variant, row in read_summary()["variants"].items()}
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
    made_by, chain = makers(stages), [stage]
    for name in chain:
        used = [Path(dep["path"]) for dep in stages[name]["deps"]]
        found = [maker for dep in used for path, maker in made_by.items() if dep in (Path(path), *Path(path).parents)]
        chain += [maker for maker in dict.fromkeys(found) if maker not in chain]
    return chain


def makers(stages: dict[str, Any]) -> dict[str, str]:
    """Path of an output → the stage that makes it."""
    return {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}


def links(entry: dict[str, Any]) -> Iterator[Link]:
    """What dvc.lock says that a stage used and made."""
    for out in entry.get("outs", []):
        yield Link("made", out["path"], f"md5 {out['md5']}", recorded(out["md5"]))
    for dep in entry["deps"]:
        is_code = dep["path"].startswith("stages")
        commit = commit_of(Path(dep["path"])) if is_code else recorded(dep["md5"])
        yield Link("code" if is_code else "data", dep["path"], f"md5 {dep['md5']}", commit)
    for file, values in entry.get("params", {}).items():
        for key, value in values.items():
            yield Link("package" if file == "environment.yaml" else "param", key, str(value))
            if key == "fetch" or key.startswith("test_sets."):
                written = Path(entry["outs"][0]["path"], "manifest.csv")
                manifest = Path(value["inputs"]) if value["source"] == "bundled" else written
                if manifest.exists():
                    yield from photographs(manifest)


def photographs(manifest: Path) -> Iterator[Link]:
    """The rows of a manifest, which git holds for bundled photographs alone."""
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Link("photo", f"{row['name']} ({row['split']})", f"sha256 {row['sha256']}", commit_of(manifest))


@cache
def commit_of(path: Path) -> str:
    """The last commit that changed a file or folder, and whether it has changed since."""
    commit = _git("log", "-1", "--format=%h of %cs", "--", str(path))
    changed = commit and _git("status", "--porcelain", "--", str(path))
    return (f"commit {commit}" if commit else "not committed") + (", changed since" if changed else "")


@cache
def recorded(md5: str) -> str:
    """The last commit that wrote a hash into dvc.lock."""
    commit = _git("log", "-1", "--format=%h of %cs", "-S", md5, "--", str(LOCK))
    return f"commit {commit}" if commit and md5 in _git("show", f"HEAD:{LOCK}") else "not committed"


@cache
def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return result.stdout.strip()


if __name__ == "__main__":
    main()
