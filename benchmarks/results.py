"""benchmarks/results.json, and what the README says of it: a table of the goals, and a picture."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from stages.common.artifacts import read_json, write_bytes, write_json

RESULTS = Path("benchmarks/results.json")
PICTURE = Path("docs/speed.png")
SEVEN = ("quality", "training", "scoring", "conversions", "convert", "overhead", "growth")
FURTHER = ("precision",)  # measured on demand
HEADER = (
    "| what | ours | peer | ratio (range) | goal | reached |",
    "|---|---|---|---:|---:|---|",
)
COLOURS = {"original": "#444444", "subpixel": "#0072b2", "subpixel_bottleneck": "#009e73", "patches": "#d55e00"}


def read(path: Path = RESULTS) -> dict[str, Any]:
    """What has been measured so far, by benchmark; empty if nothing has."""
    return dict(read_json(path)) if path.exists() else {}


def add(name: str, found: dict[str, Any]) -> None:
    """Put what one benchmark found in the place of what it found before."""
    results = {**read(), name: found}
    write_json(RESULTS, {key: results[key] for key in (*SEVEN, *FURTHER) if key in results})


def goals(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the table by name, benchmark by benchmark."""
    return {name: row for found in results.values() for name, row in found.get("goals", {}).items()}


# === Table ===


def section(results: dict[str, Any]) -> str:
    """The README's part about speed: the table, and on which machine it was measured."""
    lines = [*HEADER, *map(line, goals(results).values())]
    machines = {json.dumps(found["machine"], sort_keys=True) for found in results.values()}
    described = [json.loads(text) for text in sorted(machines)]
    return "\n".join([*lines, "", *map(sentence, described)])


def line(row: dict[str, Any]) -> str:
    """One goal as a row of the table."""
    cells = [row["what"], row["ours"], row["peer"]]
    middle, low, high = (number(row["ratio"][key]) for key in ("median", "low", "high"))
    cells.append(f"{middle} ({low} … {high})" if row["ratio"]["rounds"] > 1 else f"{middle} (one run)")
    asked = row.get("goal", {})
    cells.append("".join(f"{sign} {asked[key]:g}" for key, sign in (("least", "≥"), ("most", "≤")) if key in asked))
    cells.append(("yes" if row["reached"] else "**no**") if "reached" in row else "")
    return f"| {' | '.join(cells)} |"


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def sentence(machine: dict[str, Any]) -> str:
    """The machine in a line."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"Measured on {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:g} GiB, "
        f"{machine['system']}, Python {machine['python']}, {packages}."
    )


# === Picture ===


def picture(results: dict[str, Any]) -> bytes:
    """How SSIM rises with CPU time, and how time and memory grow with the photographs: PNG, always the same bytes."""
    import matplotlib  # here, because the table does not need it
    from matplotlib.figure import Figure

    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        figure = Figure(figsize=(12, 4), dpi=100, layout="constrained")
        rise, time, memory = figure.subplots(1, 3)
        if "quality" in results:
            _draw_quality(rise, results["quality"])
        if "growth" in results:
            _draw_growth(time, memory, results["growth"])
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_quality(axes: Any, found: dict[str, Any]) -> None:
    for name, colour in COLOURS.items():
        moments, ssim = zip(*found[name]["curve"], strict=True)
        shown = [max(moment, 0.1) for moment in moments]
        axes.plot(shown, ssim, color=colour, label={"original": "the original recipe"}.get(name, name))
    axes.axhline(found["quality"]["median"], color="0.7", linewidth=1, zorder=0)
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="CPU seconds, without imports", ylabel="SSIM of validation patches")
    axes.set_title("Time to quality")
    axes.legend(loc="lower right", frameon=False)


def _draw_growth(time: Any, memory: Any, found: dict[str, Any]) -> None:
    photographs = list(found["photographs"].values())
    for stage, at in found["stages"].items():
        time.plot(photographs, [of["cpu_seconds_per_photograph"] for of in at.values()], marker="o", label=stage)
        memory.plot(photographs, [of["mib"] / 1024 for of in at.values()], marker="o", label=stage)
    for axes, title, words in (
        (time, "Time per photograph, start included", "CPU seconds"),
        (memory, "Peak memory of a stage", "GiB"),
    ):
        axes.set(xscale="log", xlabel="photographs", ylabel=words, title=title)
    time.set_yscale("log")
    memory.set_ylim(bottom=0)
    memory.legend(frameon=False)


def draw() -> None:
    """Write the picture anew from what has been measured."""
    write_bytes(PICTURE, picture(read()))
