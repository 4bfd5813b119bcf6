"""The verdicts on what people say of autoencoders and grayscale; their numbers all come from the evidence.

Each claim is a function of the evidence. It is decided by Student's 95 % intervals, mostly of paired differences over
scenes that were left out of training: it holds where all of the interval says so, does not hold where none of it does,
and is not shown where the interval includes both. One whose evidence is missing is not measured.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

HOLDS, FAILS, NOT_SHOWN, ANSWER, OPEN = "Holds", "Does not hold", "Not shown", "Answer", "Not measured"

LEAK = 1.0  # gray level of contrast where luma is constant; a display shows no smaller step
NYQUIST = 0.5  # cycles per pixel: the finest detail along a row or column
MATTERS = 0.5  # dB between two designs, two amounts of data, or two domains
RISK = 0.05  # that an interval misses
CODES = {"pca": "PCA", "dct": "DCT", "dct_radial": "DCT by radius"}  # yardsticks of a latent size
FEWEST = 3  # scenes or runs behind an interval
SCENES = "make study STUDY=scenes"


class NotMeasuredError(Exception):
    """The evidence lacks rows that a claim rests on; the message names them, and the command that measures them."""


Verdict = tuple[str, str, list[pd.DataFrame]]  # label, sentence, and the runs that decide


@dataclass(frozen=True)
class Claim:
    """A claim, its verdict in a few words and in a few sentences, and the runs that decide it."""

    claim: str
    label: str
    sentence: str
    runs: dict[str, str]  # a few words for each study and variant → its first run in the table of the studies


@dataclass(frozen=True)
class Interval:
    """Student's interval of a mean: mean ± t · error, for `freedom` degrees of freedom; several share the risk."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: pd.Series, share: int = 1) -> "Interval":
        """Of the mean of `values`, of which there are at least two; `share`: how many intervals decide together."""
        values = values.dropna().astype(float)
        return cls.about(float(values.mean()), float(values.std() / np.sqrt(len(values))), len(values) - 1, share)

    @classmethod
    def about(cls, mean: float, error: float, freedom: int, share: int = 1) -> "Interval":
        """Of a mean with a standard error; Bonferroni where several intervals share the risk."""
        reach = float(stdtrit(freedom, 1 - RISK / 2 / share)) * error
        return cls(mean, mean - reach, mean + reach)

    def text(self, decimals: int = 1, unit: str = " dB") -> str:
        """Such as `+0.4 dB (−0.1 … +0.9)`."""
        mean, low, high = (
            f"{round(value, decimals) + 0.0:+.{decimals}f}" for value in (self.mean, self.low, self.high)
        )
        return f"{mean}{unit} ({low} … {high})"


def above(interval: Interval, edge: float = 0.0) -> str:
    """Is the mean above the edge?"""
    return HOLDS if interval.low > edge else FAILS if interval.high < edge else NOT_SHOWN


def below(interval: Interval, edge: float = 0.0) -> str:
    """Is the mean below the edge?"""
    return HOLDS if interval.high < edge else FAILS if interval.low > edge else NOT_SHOWN


def every(labels: Sequence[str]) -> str:
    """Does all of it hold?"""
    return FAILS if FAILS in labels else NOT_SHOWN if NOT_SHOWN in labels else HOLDS


def some(labels: Sequence[str]) -> str:
    """Does any of it hold?"""
    return HOLDS if HOLDS in labels else NOT_SHOWN if NOT_SHOWN in labels else FAILS


@dataclass(frozen=True)
class Evidence:
    """What was measured: the rows of metrics/studies.csv by run, see `collect.studies`."""

    studies: pd.DataFrame

    def study(self, name: str) -> pd.DataFrame:
        """The runs of a study; `NotMeasuredError` if there is none."""
        found = self.studies[self.studies["study"] == name] if len(self.studies) else self.studies
        if found.empty:
            raise NotMeasuredError(f"the study `{name}`, which `make study STUDY={name}` measures")
        return found

    def run(self, name: str) -> pd.Series:
        """The row of a run; `NotMeasuredError` without it."""
        if name not in self.studies.index:
            raise NotMeasuredError(f"the run `{name}`, which `make study` does")
        return self.studies.loc[name]

    def scenes(self, variant: str) -> pd.DataFrame:
        """The runs of a variant that left a scene out, by scene; `NotMeasuredError` if they are too few."""
        found = self.study("scenes").query("variant == @variant")
        if len(found) < FEWEST:
            raise NotMeasuredError(f"`{variant}` on at least {FEWEST} left-out scenes, which `{SCENES}` measures")
        return found.set_index("leave", drop=False)

    def designs(self) -> dict[str, pd.DataFrame]:
        """The `scenes` of each variant from colour to gray, best first.

        Raises:
            NotMeasuredError: there is no such study, or a variant left too few scenes out.
        """
        rows = self.study("scenes").query("input == 'colour' and target == 'gray'")
        found = {str(name): self.scenes(str(name)) for name in rows["variant"].unique()}
        return dict(sorted(found.items(), key=lambda item: float(item[1]["mse"].mean())))


def decide(evidence: Evidence) -> list[Claim]:
    """A verdict on every claim, in their order, and on the two questions under them."""
    found = []
    for claim, verdict in CLAIMS.items():
        try:
            label, sentence, tables = verdict(evidence)
        except NotMeasuredError as missing:
            label, sentence, tables = OPEN, f"This needs {missing}.", []
        groups = [group for table in tables for _, group in table.groupby(["study", "variant"], sort=False)]
        first = [(group.iloc[0], len(group)) for group in groups]
        runs = {f"{row['study']} of {row['variant']} ({count})": str(row["run"]) for row, count in first}
        found.append(Claim(claim, label, sentence, runs))
    return found


def _naive_stays_in_colour(evidence: Evidence) -> Verdict:
    naive, gray = evidence.scenes("naive"), evidence.scenes("simple")
    kept, gain = Interval.of(naive["chroma_kept"]), Interval.of(gray["psnr"] - naive["psnr"])
    sentence = (
        f"On left-out scenes `naive`'s output keeps {kept.mean:.0%} ({kept.low:.0%} … {kept.high:.0%}) of the chroma "
        f"of its input; the same network trained on gray targets, `simple`, is {gain.text()} nearer to gray."
    )
    return every([above(kept, 0.5), above(gain)]), sentence, [naive, gray]


def _poor_designs_leak_or_blur(evidence: Evidence) -> Verdict:
    designs = evidence.designs()
    leak = {name: Interval.of(rows["hue_contrast"], 2 * len(designs)) for name, rows in designs.items()}
    detail = {name: Interval.of(rows["detail_limit"], 2 * len(designs)) for name, rows in designs.items()}
    worst = max(leak, key=lambda name: leak[name].mean)
    dullest = min(detail, key=lambda name: detail[name].mean)
    sentence = (
        f"Where luma is constant and hue turns, `{worst}` shows {leak[worst].text(1, ' gray levels')}; `{dullest}` "
        f"loses detail from {detail[dullest].mean:.2g} cycles per pixel on ({detail[dullest].low:.2g} … "
        f"{detail[dullest].high:.2g}). Poor would be more than {LEAK:.0f} level, or a limit below {NYQUIST}."
    )
    labels = [above(one, LEAK) for one in leak.values()] + [below(one, NYQUIST) for one in detail.values()]
    return some(labels), sentence, [designs[worst], designs[dullest]]


def _data_and_architecture_matter(evidence: Evidence) -> Verdict:
    curve = evidence.study("photographs")
    whole = evidence.studies.loc[[evidence.run(f"seeds_{name}_1").name for name in curve["variant"].unique()]]
    points = pd.concat([curve, whole])
    gain = doublings(points) if len(points) > points["variant"].nunique() + 1 else None
    if gain is None:
        raise NotMeasuredError("more runs of the study `photographs`, which `make study STUDY=photographs` measures")
    designs = evidence.designs()
    shape = {name: rows[["latent", "parameters"]].iloc[0].tolist() for name, rows in designs.items()}
    pairs = [pair for pair in itertools.combinations(designs, 2) if shape[pair[0]] != shape[pair[1]]]
    pairs = [(one, other) for one, other in pairs if shape[one][0] == shape[other][0]] or pairs
    if not pairs:
        raise NotMeasuredError(f"two designs on left-out scenes, which `{SCENES}` measures")
    apart = {(a, b): Interval.of(designs[a]["psnr"] - designs[b]["psnr"], len(pairs)) for a, b in pairs}
    best, worst = max(apart, key=lambda pair: apart[pair].mean)
    sentence = (
        f"Each doubling of the training photographs, at equal steps, gains {gain.text(2)} over "
        f"{', '.join(f'`{name}`' for name in points['variant'].unique())}. On left-out scenes `{best}` is "
        f"{apart[best, worst].text()} above `{worst}`. What matters is more than {MATTERS} dB."
    )
    label = every([above(gain, MATTERS), above(apart[best, worst], MATTERS)])
    return label, sentence, [curve, whole, designs[best], designs[worst]]


def doublings(points: pd.DataFrame) -> Interval:
    """PSNR (dB) per doubling of photographs: the least-squares slope, with an intercept for each variant."""
    x, y = np.log2(points["photographs"].astype(float)), points["psnr"].astype(float)
    x, y = (column - column.groupby(points["variant"]).transform("mean") for column in (x, y))
    slope, freedom = float((x @ y) / (x @ x)), len(points) - points["variant"].nunique() - 1
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / freedom / (x @ x)))
    return Interval.about(slope, error, freedom)


def _a_third_is_enough(evidence: Evidence) -> Verdict:
    third = evidence.scenes("adaptive")
    size = int(third["latent"].iloc[0])
    gains = {code: Interval.of(third["psnr"] - third[f"{code}_psnr"]) for code in CODES}
    alike = Interval.of(third["ssim"] - third["mean_rgb_ssim"])
    told = ", ".join(f"{gain.text()} from {CODES[code]}" for code, gain in gains.items())
    sentence = (
        f"With {size} numbers, on left-out scenes, `adaptive` is {told}. Enough means more than each of these fixed "
        f"codes of as many numbers; in SSIM it is {alike.text(3, '')} from the mean of R, G and B."
    )
    return every([above(gain) for gain in gains.values()]), sentence, [third]


def _vaes_are_smoother_and_robust(evidence: Evidence) -> Verdict:
    vae = evidence.scenes("vae")
    size = int(vae["latent"].iloc[0])
    robust = {code: Interval.of(vae["noise_psnr"] - vae[f"{code}_noise_psnr"]) for code in CODES}
    smooth = Interval.of(vae["smoothness"] - vae["smoothness_reference"])
    luma = Interval.of(vae["noise_psnr"] - vae["luma_noise_psnr"])
    best = min(robust, key=lambda code: robust[code].mean)
    sentence = (
        f"On left-out scenes with strong noise `vae` is {luma.text()} from luma of the same input, but "
        f"{robust[best].text()} from {CODES[best]} with as many numbers ({size}). Its total variation differs by "
        f"{smooth.text(3, '')} times the target's from that of a cosine transform that is as exact on clean patches."
    )
    return every([*(above(gain) for gain in robust.values()), below(smooth)]), sentence, [vae]


def _mae_may_suit(evidence: Evidence) -> Verdict:
    mse, mae = evidence.scenes("simple"), evidence.scenes("simple_mae")
    gains = (mae["psnr"] - mse["psnr"]).dropna()
    domains = mse["domain"].reindex(gains.index)
    wide = {name: found for name, found in gains.groupby(domains) if len(found) >= FEWEST}
    intervals = {str(name): Interval.of(found, len(wide)) for name, found in wide.items()}
    if not intervals:
        raise NotMeasuredError(f"a domain with at least {FEWEST} left-out scenes, which `{SCENES}` measures")
    told = ", ".join(f"{one.text(2)} on {name} ({len(wide[name])} scenes)" for name, one in intervals.items())
    single = ", ".join(
        f"{value:+.2f} dB on {domains[scene]}" for scene, value in gains.items() if domains[scene] not in wide
    )
    sentence = f"Mean absolute error instead of mean squared error, on left-out scenes: {told}."
    if single:
        sentence += f" Too few scenes to tell: {single}."
    return some([above(one) for one in intervals.values()]), sentence, [mse, mae]


def _overfitting_needs_care(evidence: Evidence) -> Verdict:
    plain = evidence.study("augmentation")
    if len(plain) < FEWEST:
        raise NotMeasuredError("three runs of the study `augmentation`, which `make study STUDY=augmentation` measures")
    lost = Interval.of(plain["half_val_psnr"] - plain["end_val_psnr"])
    sentence = (
        f"On one photograph without augmentation, to the end, validation loses {lost.text(2)} in the second half of "
        f"the steps, over {len(plain)} seeds; training ends at {plain['end_train_psnr'].mean():.1f} dB, validation at "
        f"{plain['end_val_psnr'].mean():.1f} dB. More training may as well gain: then the number is below 0."
    )
    return above(lost), sentence, [plain]


def _histology_too(evidence: Evidence) -> Verdict:
    rows = evidence.scenes("adaptive")
    gain = rows["psnr"] - rows[[f"{code}_psnr" for code in CODES]].max(axis=1)
    of, others = gain[rows["domain"] == "histology"], gain[rows["domain"] == "everyday"]
    if of.empty or len(others) < FEWEST:
        raise NotMeasuredError(f"left-out scenes of the domains `everyday` and `histology`, which `{SCENES}` measures")
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in (of, others))
    freedom = len(of) + len(others) - 2
    error = np.sqrt(within / freedom * (1 / len(of) + 1 / len(others)))
    apart = Interval.about(float(of.mean() - others.mean()), float(error), freedom)
    sentence = (
        f"Beside the best fixed code of its size, on the same left-out patches, `adaptive` gains {of.mean():+.1f} dB "
        f"on histology ({len(of)}) and {others.mean():+.1f} dB on everyday scenes ({len(others)}): {apart.text()}. "
        f"As well means no more than {MATTERS} dB less."
    )
    return above(apart, -MATTERS), sentence, [rows]


def _colour_or_bottleneck(evidence: Evidence) -> Verdict:
    controls = evidence.study("control")
    if len(controls) < FEWEST:
        raise NotMeasuredError(f"the control study of {FEWEST} variants, which `make study STUDY=control` measures")
    same = evidence.studies.loc[[evidence.run(f"seeds_{name}_1").name for name in controls["variant"]]]
    gains = controls["psnr"].to_numpy(float) - same["psnr"].to_numpy(float)
    share = Interval.of(pd.Series(1 - 10 ** (-gains / 10)))
    told = ", ".join(
        f"`{name}` {gain + 0.0:+.1f} dB" for name, gain in zip(controls["variant"], gains.round(1), strict=True)
    )
    costs = {HOLDS: "Colour", FAILS: "The bottleneck", NOT_SHOWN: "Neither alone"}[above(share, 0.5)]
    sentence = (
        f"{costs}: trained gray → gray, with no colour to convert, the same networks gain {told}; that is "
        f"{share.mean:.0%} ({share.low:.0%} … {share.high:.0%}) of their squared error."
    )
    return NOT_SHOWN if costs.startswith("Neither") else ANSWER, sentence, [controls, same]


def _an_autoencoder_at_all(evidence: Evidence) -> Verdict:
    best, rows = next(iter(evidence.designs().items()))
    formulae = {name: Interval.of(rows["ssim"] - rows[f"{name}_ssim"]) for name in ("luma", "conv1x1")}
    label = every([above(gain) for gain in formulae.values()])
    sentence = (
        f"{ {HOLDS: 'Yes', FAILS: 'No', NOT_SHOWN: 'That is open'}[label] }: on left-out scenes the best autoencoder "
        f"of that study, `{best}`, is {formulae['luma'].text(3, '')} in SSIM from the formula and "
        f"{formulae['conv1x1'].text(3, '')} from a fitted 1 × 1 convolution. "
        "These are clean photographs, and the target is the formula's."
    )
    return NOT_SHOWN if label == NOT_SHOWN else ANSWER, sentence, [rows]


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
