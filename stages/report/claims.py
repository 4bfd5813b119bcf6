"""The verdicts on what people say of autoencoders and grayscale; their numbers all come from the evidence.

Each claim is a function of the evidence. One whose evidence is missing is "not measured".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from stages.report.summary import from_colour_to_gray

HOLDS, FAILS, ANSWER, OPEN = "Holds", "Does not hold", "Answer", "Not measured"

LEAK = 1.0  # gray level of contrast where luma is constant; a display shows no smaller step
NYQUIST = 0.5  # cycles per pixel: the finest detail along a row or column
NOTICEABLE = 1.0  # dB between two designs, or two amounts of data
OVERFIT = 0.1  # dB

NOISE = re.compile(r"noise_(\d+)_psnr")  # columns of the probes; scores by domain are called <domain>_psnr
WHOLE = "whole_psnr"  # of whole photographs, no domain


class NotMeasuredError(Exception):
    """The evidence lacks a row that a claim rests on; the message names it."""


@dataclass(frozen=True)
class Row:
    """Where a figure stands: a table (`methods`, `probes` or `studies`), and a method or run in it."""

    table: str
    key: str


Verdict = tuple[str, str, list[Row]]  # label, sentence, and the rows that decide


@dataclass(frozen=True)
class Claim:
    """A claim, its verdict in one word and in one sentence, and the rows that decide it."""

    claim: str
    label: str
    sentence: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Evidence:
    """What was measured: `summary.methods` and `summary.probes` by method, metrics/studies.csv by run."""

    methods: pd.DataFrame
    probes: pd.DataFrame
    studies: pd.DataFrame

    def row(self, table: str, key: str) -> pd.Series:
        """The row of a method or run in `methods`, `probes` or `studies`; `NotMeasuredError` without it."""
        rows = getattr(self, table)
        if key not in rows.index:
            raise NotMeasuredError(f"`{key}`")
        return rows.loc[key]

    def gray(self) -> pd.DataFrame:
        """The variants from colour to gray, and their scores; `NotMeasuredError` if there is none."""
        found = from_colour_to_gray(self.methods) if len(self.methods) else self.methods
        if found.empty:
            raise NotMeasuredError("a variant from colour to gray")
        return found

    def best(self) -> str:
        """The variant of the highest PSNR."""
        return str(self.gray()["psnr"].idxmax())

    def domains(self) -> list[str]:
        """The domains of the test photographs."""
        scores = [name for name in map(str, self.probes) if name.endswith("_psnr") and name != WHOLE]
        return [name.removesuffix("_psnr") for name in scores if not NOISE.fullmatch(name)]

    def noise(self) -> int:
        """The strongest noise that was tried, gray levels of 255."""
        return max(int(found[1]) for name in map(str, self.probes) if (found := NOISE.fullmatch(name)))


def _rows(table: str, *keys: object) -> list[Row]:
    return [Row(table, str(key)) for key in keys]


def decide(evidence: Evidence) -> list[Claim]:
    """A verdict on every claim, in their order, and on the two questions under them."""
    found = []
    for claim, verdict in CLAIMS.items():
        try:
            label, sentence, rows = verdict(evidence)
        except NotMeasuredError as missing:
            label, sentence, rows = OPEN, f"This needs {missing}, which is not among the results.", []
        found.append(Claim(claim, label, sentence, tuple(dict.fromkeys(rows))))
    return found


def _naive_stays_in_colour(evidence: Evidence) -> Verdict:
    naive, gray = evidence.row("methods", "naive"), evidence.row("methods", "simple")
    if naive["target"] != "colour":
        raise NotMeasuredError("`naive`, trained on colour targets")
    if "simple" not in evidence.gray().index:
        raise NotMeasuredError("`simple`, trained from colour to gray")
    kept = naive["chroma_of_output"] / naive["chroma_of_input"]
    holds = kept > 0.5 and gray["psnr"] > naive["psnr"]
    sentence = (
        f"`naive`'s output keeps {kept:.0%} of the chroma of its input and scores {naive['psnr']:.1f} dB against gray; "
        f"the same network trained on gray targets, `simple`, scores {gray['psnr']:.1f} dB."
    )
    return _label(holds), sentence, _rows("methods", "naive", "simple")


def _poor_designs_leak_or_blur(evidence: Evidence) -> Verdict:
    found = {str(name): evidence.row("probes", str(name)) for name in evidence.gray().index}
    worst = max(found, key=lambda name: found[name]["isoluma_contrast"])
    dullest = min(found, key=lambda name: found[name]["detail_limit"])
    best = min(found, key=lambda name: (-found[name]["detail_limit"], found[name]["isoluma_contrast"]))

    def clean(name: str) -> bool:
        return bool(found[name]["isoluma_contrast"] < LEAK and found[name]["detail_limit"] >= NYQUIST)

    holds = clean(best) and not (clean(worst) and clean(dullest))
    sentence = (
        f"Where luma is constant and hue turns, `{worst}` shows a contrast of {found[worst]['isoluma_contrast']:.1f} "
        f"gray levels; `{dullest}` loses detail from {found[dullest]['detail_limit']:.2g} cycles per pixel on. "
        f"`{best}` shows {found[best]['isoluma_contrast']:.2f} levels and keeps detail "
        + ("to the last band." if found[best]["detail_limit"] >= NYQUIST else f"to {found[best]['detail_limit']:.2g}.")
    )
    return _label(holds), sentence, _rows("probes", worst, dullest, best)


def _data_and_architecture_matter(evidence: Evidence) -> Verdict:
    studies = evidence.studies
    curve = studies[studies["study"] == "photographs"]
    fewest = curve[curve["photographs"] == curve["photographs"].min()]
    if fewest.empty:
        raise NotMeasuredError("the study of photographs")
    whole = {run: evidence.row("studies", f"seeds_{fewest.loc[run, 'variant']}_1") for run in fewest.index}
    gain = {run: whole[run]["psnr"] - fewest.loc[run, "psnr"] for run in fewest.index}
    scores = {whole[run]["variant"]: whole[run]["psnr"] for run in fewest.index}
    apart = max(scores.values()) - min(scores.values())
    fewer, all_of_them = int(fewest["photographs"].iloc[0]), int(next(iter(whole.values()))["photographs"])
    gains = ", ".join(f"`{whole[run]['variant']}` {_signed(gain[run])}" for run in gain)
    data, architecture = max(gain.values()) > NOTICEABLE, apart > NOTICEABLE
    sentence = (
        f"From {fewer} to {all_of_them} training photographs at equal steps, in dB: {gains}. At {all_of_them}, "
        f"architectures are {apart:.1f} dB apart. By more than {NOTICEABLE:.0f} dB, architecture "
        f"{'matters' if architecture else 'does not matter'}, and more photographs {'help' if data else 'do not help'}."
    )
    rows = [row for run in gain for row in _rows("studies", run, whole[run].name)]
    return _label(data and architecture), sentence, rows


def _a_third_is_enough(evidence: Evidence) -> Verdict:
    full, third, crude = (evidence.row("methods", name) for name in ("subpixel", "subpixel_bottleneck", "mean_rgb"))
    pca_name = f"pca_{third['latent']}"
    pca = evidence.row("methods", pca_name)
    holds = third["ssim"] >= crude["ssim"]
    sentence = (
        f"With {third['latent']} of {full['latent']} numbers `subpixel_bottleneck` scores {third['psnr']:.1f} dB / "
        f"{third['ssim']:.3f}, PCA {pca['psnr']:.1f} / {pca['ssim']:.3f}; `subpixel` with all of them "
        f"{full['psnr']:.1f} / {full['ssim']:.4f}. Enough would be the SSIM of the crudest formula, the mean of R, G "
        f"and B: {crude['ssim']:.3f}."
    )
    return _label(holds), sentence, _rows("methods", "subpixel_bottleneck", pca_name, "subpixel", "mean_rgb")


def _vaes_are_smoother_and_robust(evidence: Evidence) -> Verdict:
    vaes = [str(name) for name, row in evidence.gray().iterrows() if pd.notna(row["kl_nats"])]
    if not vaes:
        raise NotMeasuredError("a variational autoencoder")
    level = evidence.noise()
    key = f"noise_{level}_psnr"
    parts, rows, better = [], [], []
    for name in vaes:
        peer = f"pca_{evidence.row('methods', name)['latent']}"
        vae, pca = evidence.row("probes", name), evidence.row("probes", peer)
        better.append(vae["smoothness"] < pca["smoothness"] and vae[key] > pca[key])
        parts.append(
            f"`{name}` scores {vae[key]:.1f} dB with a total variation of {vae['smoothness']:.2f} times the target's "
            f"when clean, PCA at its size {pca[key]:.1f} dB with {pca['smoothness']:.2f}"
        )
        rows += _rows("probes", name, peer)
    luma = evidence.row("probes", "luma")[key]
    sentence = f"At noise of {level} gray levels " + "; ".join(parts) + f"; luma of the same input {luma:.1f} dB."
    return _label(all(better)), sentence, [*rows, *_rows("probes", "luma")]


def _mae_may_suit(evidence: Evidence) -> Verdict:
    mse, mae = evidence.row("probes", "simple"), evidence.row("probes", "simple_mae")
    seeds = evidence.studies.query("study == 'seeds' and variant == 'simple'")["psnr"]
    if len(seeds) < 3:
        raise NotMeasuredError("three seeds of `simple`")
    luck = 2 * seeds.std()
    differences = {domain: mae[f"{domain}_psnr"] - mse[f"{domain}_psnr"] for domain in evidence.domains()}
    gains = ", ".join(f"{value:+.2f} dB on {domain}" for domain, value in differences.items())
    sentence = (
        f"Mean absolute error instead of mean squared error: {gains}; two standard deviations of luck: {luck:.2f}."
    )
    rows = [*_rows("probes", "simple", "simple_mae"), *_rows("studies", *seeds.index)]
    return _label(max(differences.values()) > luck), sentence, rows


def _overfitting_needs_care(evidence: Evidence) -> Verdict:
    plain, augmented = (
        evidence.row("studies", "augmentation_bottleneck_1"),
        evidence.row("studies", "photographs_bottleneck_1"),
    )
    lost = plain["val_psnr"] - plain["end_val_psnr"]
    gain = augmented["val_psnr"] - plain["val_psnr"]
    sentence = (
        f"On one photograph without augmentation `bottleneck` ends at {plain['end_train_psnr']:.1f} dB in training and "
        f"{plain['end_val_psnr']:.1f} dB in validation; stopping at its best epoch saves {lost:.1f} dB, flips and "
        f"quarter turns {gain:.1f} dB."
    )
    rows = _rows("studies", "augmentation_bottleneck_1", "photographs_bottleneck_1")
    return _label(max(lost, gain) > OVERFIT), sentence, rows


def _histology_too(evidence: Evidence) -> Verdict:
    best, crude = evidence.best(), evidence.row("probes", "mean_rgb")
    row = evidence.row("probes", best)
    domains = ("everyday", "histology")
    if not set(domains) <= set(evidence.domains()):
        raise NotMeasuredError("test photographs of the domains `everyday` and `histology`")
    scores = ", ".join(f"{row[f'{name}_psnr']:.1f} dB / {row[f'{name}_ssim']:.4f} on {name}" for name in domains)
    other = ", ".join(f"{crude[f'{name}_psnr']:.1f} dB" for name in domains)
    holds = all(row[f"{name}_psnr"] > crude[f"{name}_psnr"] for name in domains)
    sentence = f"`{best}` scores {scores}; the mean of R, G and B {other}."
    return _label(holds), sentence, _rows("probes", best, "mean_rgb")


def _colour_or_bottleneck(evidence: Evidence) -> Verdict:
    controls = evidence.studies[evidence.studies["study"] == "control"]
    if controls.empty:
        raise NotMeasuredError("the control study")
    parts, rows = [], []
    for run, control in controls.iterrows():
        same = evidence.row("studies", f"seeds_{control['variant']}_1")
        parts.append(f"`{control['variant']}` {_signed(control['psnr'] - same['psnr'])} of {control['psnr']:.1f} dB")
        rows += _rows("studies", run, same.name)
    sentence = (
        f"What the same network gains when it is trained gray → gray, with no colour to convert: {', '.join(parts)}."
    )
    return ANSWER, sentence, rows


def _an_autoencoder_at_all(evidence: Evidence) -> Verdict:
    best = evidence.best()
    row, learned, formula = (
        evidence.row("methods", best),
        evidence.row("methods", "conv1x1"),
        evidence.row("methods", "luma"),
    )
    needless = max(learned["psnr"], formula["psnr"]) >= row["psnr"]
    sentence = (
        f"{'No' if needless else 'It does better'}: a fitted 1 × 1 convolution scores {learned['psnr']:.1f} dB and the "
        f"formula {formula['psnr']:.1f} dB, the best autoencoder, `{best}`, {row['psnr']:.1f} dB."
    )
    return ANSWER, sentence, _rows("methods", best, "conv1x1", "luma")


def _signed(decibels: float) -> str:
    """With one decimal and its sign, but no negative zero."""
    return f"{round(decibels, 1) + 0.0:+.1f}"


def _label(holds: bool) -> str:
    return HOLDS if holds else FAILS


CLAIMS: dict[str, Callable[[Evidence], Verdict]] = {
    "1. A naive colour → colour autoencoder does not yield gray; one output channel trained on gray targets does.": (
        _naive_stays_in_colour
    ),
    "2. Poor designs leak colour into the gray output, or lose luminance detail.": _poor_designs_leak_or_blur,
    "3. Quality depends on the training data and on the architecture.": _data_and_architecture_matter,
    "4. A third of the latent is enough.": _a_third_is_enough,
    "5. A variational autoencoder gives smoother conversions and handles noise better.": _vaes_are_smoother_and_robust,
    "6. Mean absolute error may suit some data better than mean squared error.": _mae_may_suit,
    "7. Overfitting needs care.": _overfitting_needs_care,
    "8. It works in histology as well as in everyday photographs.": _histology_too,
    "Is it the colour or the bottleneck that costs?": _colour_or_bottleneck,
    "Does one need an autoencoder at all?": _an_autoencoder_at_all,
}
