"""Verdicts on eight claims about autoencoders and grayscale, and answers to two questions, from the studies.

Each claim is a function of the rows of metrics/studies.csv by run, see `collect.studies`. It is decided by Student's
95 % intervals, mostly of paired differences over left-out scenes. It holds if the whole interval supports it, does not
hold if the whole interval contradicts it, and is not shown otherwise. A claim whose runs are missing is not measured.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.evaluate.scores import Interval

HOLDS, FAILS, NOT_SHOWN, ANSWER, OPEN = "Holds", "Does not hold", "Not shown", "Answer", "Not measured"

LEAK = 1.0  # gray level of contrast where luma is constant; a display shows no smaller step
NYQUIST = 0.5  # cycles per pixel: the finest detail along a row or column
MATTERS = 0.5  # dB between two designs, two amounts of data, or two domains
CODES = {"pca": "PCA", "dct": "DCT", "dct_radial": "DCT by radius"}  # yardsticks of a latent size
FEWEST = 3  # scenes or runs behind an interval

Verdict = tuple[str, str, list[pd.DataFrame]]  # label, sentence, and the runs that decide


class NotMeasuredError(Exception):
    """Runs that a claim needs are missing; the message names them and the command that runs them."""


@dataclass(frozen=True)
class Claim:
    """A claim, its verdict as a label and in sentences, and the runs behind it."""

    claim: str
    label: str
    sentence: str
    runs: list[str]  # study, variant and the number of runs


def decide(studies: pd.DataFrame) -> list[Claim]:
    """A verdict on every claim, then an answer to each question."""
    found = []
    for claim, verdict in CLAIMS.items():
        try:
            label, sentence, tables = verdict(studies)
        except NotMeasuredError as missing:
            label, sentence, tables = OPEN, f"This needs {missing}.", []
        runs = [
            f"{study} of {variant} ({len(rows)})"
            for table in tables
            for (study, variant), rows in table.groupby(["study", "variant"], sort=False)
        ]
        found.append(Claim(claim, label, sentence, list(dict.fromkeys(runs))))
    return found


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


# === Runs ===


def _need(enough: bool, what: str, study: str = "scenes") -> None:
    if not enough:
        raise NotMeasuredError(f"{what}, which `make study STUDY={study}` measures")


def _study(studies: pd.DataFrame, name: str) -> pd.DataFrame:
    found = studies[studies["study"] == name]
    _need(not found.empty, f"the study `{name}`", name)
    return found


def _unchanged(studies: pd.DataFrame, variants: Iterable[str]) -> pd.DataFrame:
    """The run of each variant as it is."""
    runs = [f"seeds_{variant}_1" for variant in variants]
    for run in runs:
        _need(run in studies.index, f"the run `{run}`", "seeds")
    return studies.loc[runs]


def _scenes(studies: pd.DataFrame, variant: str) -> pd.DataFrame:
    """The runs of a variant that left a scene out, by scene."""
    found = _study(studies, "scenes").query("variant == @variant")
    _need(len(found) >= FEWEST, f"`{variant}` on at least {FEWEST} left-out scenes")
    return found.set_index("leave", drop=False)


def _designs(studies: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The `_scenes` of each variant from colour to gray, best first."""
    rows = _study(studies, "scenes").query("input == 'colour' and target == 'gray'")
    errors = rows.groupby("variant", sort=False)["mse"].mean().sort_values(kind="stable")
    return {str(variant): _scenes(studies, str(variant)) for variant in errors.index}


# === Claims ===


def _naive_stays_in_colour(studies: pd.DataFrame) -> Verdict:
    naive, gray = _scenes(studies, "naive"), _scenes(studies, "simple")
    kept, gain = Interval.of(naive["chroma_kept"]), Interval.of(gray["psnr"] - naive["psnr"])
    sentence = (
        f"On left-out scenes the output of `naive` keeps {kept.text('.0%', '')} of the chroma of its input. The same "
        f"network trained on gray targets, `simple`, gains {gain.text()}."
    )
    return every([above(kept, 0.5), above(gain)]), sentence, [naive, gray]


def _poor_designs_leak_or_blur(studies: pd.DataFrame) -> Verdict:
    designs = _designs(studies)
    leak = {name: Interval.of(rows["hue_contrast"], 2 * len(designs)) for name, rows in designs.items()}
    detail = {name: Interval.of(rows["detail_limit"], 2 * len(designs)) for name, rows in designs.items()}
    worst = max(leak, key=lambda name: leak[name].mean)
    dullest = min(detail, key=lambda name: detail[name].mean)
    limit = detail[dullest]
    sentence = (
        f"Between hues of equal luma the output of `{worst}` differs by {leak[worst].text(unit=' gray levels')}. "
        f"`{dullest}` loses detail from {limit.mean:.3g} cycles per pixel ({limit.low:.3g} … {limit.high:.3g}). "
        f"A design is poor above {LEAK:.0f} level, or if it loses detail below {NYQUIST} cycles per pixel."
    )
    labels = [above(one, LEAK) for one in leak.values()] + [below(one, NYQUIST) for one in detail.values()]
    return some(labels), sentence, [designs[worst], designs[dullest]]


def _data_and_architecture_matter(studies: pd.DataFrame) -> Verdict:
    designs, curve = _designs(studies), _study(studies, "photographs")
    curve = curve[curve["variant"].isin(designs)]  # not denoise, whose score depends on noise
    variants = curve["variant"].unique()
    whole = _unchanged(studies, variants)
    points = pd.concat([curve, whole])
    _need(len(points) > len(variants) + 1, "more runs of the study `photographs`", "photographs")
    gain = doublings(points)
    shape = {name: rows[["latent", "parameters"]].iloc[0].tolist() for name, rows in designs.items()}
    pairs = [pair for pair in itertools.combinations(designs, 2) if shape[pair[0]] != shape[pair[1]]]
    pairs = [(one, other) for one, other in pairs if shape[one][0] == shape[other][0]] or pairs
    _need(bool(pairs), "two designs on left-out scenes")
    apart = {(a, b): Interval.of(designs[a]["psnr"] - designs[b]["psnr"], len(pairs)) for a, b in pairs}
    best, worst = max(apart, key=lambda pair: apart[pair].mean)
    sentence = (
        f"Each doubling of the training photographs, at equal steps, gains {gain.text('+z.2f')} over "
        f"{', '.join(f'`{name}`' for name in variants)}. On left-out scenes `{best}` gains "
        f"{apart[best, worst].text()} over `{worst}`. The claim holds if both exceed {MATTERS} dB."
    )
    label = every([above(gain, MATTERS), above(apart[best, worst], MATTERS)])
    return label, sentence, [curve, whole, designs[best], designs[worst]]


def doublings(points: pd.DataFrame) -> Interval:
    """PSNR (dB) per doubling of photographs: the least-squares slope, with an intercept for each variant."""
    columns = np.log2(points["photographs"].astype(float)), points["psnr"].astype(float)
    x, y = (column - column.groupby(points["variant"]).transform("mean") for column in columns)
    slope, freedom = (x @ y) / (x @ x), len(points) - points["variant"].nunique() - 1
    error = np.sqrt(((y - slope * x) ** 2).sum() / freedom / (x @ x))
    return Interval.about(slope, error, freedom)


def _a_third_is_enough(studies: pd.DataFrame) -> Verdict:
    third = _scenes(studies, "adaptive")
    size = int(third["latent"].iloc[0])
    gains = {code: Interval.of(third["psnr"] - third[f"{code}_psnr"]) for code in CODES}
    alike = Interval.of(third["ssim"] - third["mean_rgb_ssim"])
    over = ", ".join(f"{gain.text()} over {CODES[code]}" for code, gain in gains.items())
    sentence = (
        f"With {size} numbers, on left-out scenes, `adaptive` gains {over}. The claim holds if it is above each "
        "of these fixed codes of the same size. Its SSIM less that of the mean of R, G and B is "
        f"{alike.text('+z.3f', '')}."
    )
    return every([above(gain) for gain in gains.values()]), sentence, [third]


def _vaes_are_smoother_and_robust(studies: pd.DataFrame) -> Verdict:
    vae = _scenes(studies, "vae")
    size = int(vae["latent"].iloc[0])
    robust = {code: Interval.of(vae["noise_psnr"] - vae[f"{code}_noise_psnr"]) for code in CODES}
    smooth = Interval.of(vae["smoothness"] - vae["smoothness_reference"])
    luma = Interval.of(vae["noise_psnr"] - vae["luma_noise_psnr"])
    best = min(robust, key=lambda code: robust[code].mean)
    sentence = (
        f"On left-out scenes with strong noise, `vae` gains {luma.text()} over luma of the same input, and "
        f"{robust[best].text()} over {CODES[best]} with as many numbers ({size}). On clean patches its total "
        "variation, relative to the target's, less that of a cosine transform with the same error is "
        f"{smooth.text('+z.3f', '')}."
    )
    return every([*(above(gain) for gain in robust.values()), below(smooth)]), sentence, [vae]


def _mae_may_suit(studies: pd.DataFrame) -> Verdict:
    mse, mae = _scenes(studies, "simple"), _scenes(studies, "simple_mae")
    gains = (mae["psnr"] - mse["psnr"]).dropna()
    domains = mse["domain"].reindex(gains.index)
    wide = {name: found for name, found in gains.groupby(domains) if len(found) >= FEWEST}
    _need(bool(wide), f"a domain with at least {FEWEST} left-out scenes")
    intervals = {name: Interval.of(found, len(wide)) for name, found in wide.items()}
    told = ", ".join(f"{one.text('+z.2f')} on {name} ({len(wide[name])} scenes)" for name, one in intervals.items())
    few = gains[~domains.isin(wide)]
    single = ", ".join(f"{gain:+.2f} dB on {domains[scene]}" for scene, gain in few.items())
    sentence = f"On left-out scenes, training by mean absolute error changes PSNR by {told}."
    if single:
        sentence += f" Too few scenes to tell: {single}."
    return some([above(one) for one in intervals.values()]), sentence, [mse, mae]


def _overfitting_needs_care(studies: pd.DataFrame) -> Verdict:
    plain = _study(studies, "augmentation")
    _need(len(plain) >= FEWEST, "three runs of the study `augmentation`", "augmentation")
    lost = Interval.of(plain["half_val_psnr"] - plain["end_val_psnr"])
    training, validation = plain["end_train_psnr"].mean(), plain["end_val_psnr"].mean()
    sentence = (
        f"Trained to the end on one photograph without augmentation, validation loses {lost.text('+z.2f')} in the "
        f"second half of the steps, over {len(plain)} seeds; below 0 it gains. Training ends at {training:.1f} dB, "
        f"validation at {validation:.1f} dB."
    )
    return above(lost), sentence, [plain]


def _histology_too(studies: pd.DataFrame) -> Verdict:
    rows = _scenes(studies, "adaptive")
    gain = rows["psnr"] - rows[[f"{code}_psnr" for code in CODES]].max(axis=1)
    slides, others = gain[rows["domain"] == "histology"], gain[rows["domain"] == "everyday"]
    enough = len(slides) > 0 and len(others) >= FEWEST
    _need(enough, "left-out scenes of the domains `everyday` and `histology`")
    within = sum(((part - part.mean()) ** 2).sum() for part in (slides, others))
    freedom = len(slides) + len(others) - 2
    error = np.sqrt(within / freedom * (1 / len(slides) + 1 / len(others)))
    apart = Interval.about(slides.mean() - others.mean(), error, freedom)
    sentence = (
        f"On left-out scenes `adaptive` gains over the best fixed code of its size {slides.mean():+.1f} dB on "
        f"histology ({len(slides)}) and {others.mean():+.1f} dB on everyday scenes ({len(others)}): {apart.text()} "
        f"apart. The claim holds if histology gains at most {MATTERS} dB less."
    )
    return above(apart, -MATTERS), sentence, [rows]


def _colour_or_bottleneck(studies: pd.DataFrame) -> Verdict:
    controls = _study(studies, "control")
    _need(len(controls) >= FEWEST, f"the control study of {FEWEST} variants", "control")
    same = _unchanged(studies, controls["variant"])
    gains = controls.set_index("variant")["psnr"] - same.set_index("variant")["psnr"]
    share = Interval.of(1 - 10 ** (-gains / 10))
    told = ", ".join(f"`{variant}` {gain:+z.1f} dB" for variant, gain in gains.items())
    costs = {HOLDS: "Colour", FAILS: "The bottleneck", NOT_SHOWN: "Neither alone"}[above(share, 0.5)]
    sentence = (
        f"{costs}: trained gray → gray, with no colour to convert, the same networks gain {told}, which is "
        f"{share.text('.0%', '')} of their squared error."
    )
    return NOT_SHOWN if costs.startswith("Neither") else ANSWER, sentence, [controls, same]


def _an_autoencoder_at_all(studies: pd.DataFrame) -> Verdict:
    best, rows = next(iter(_designs(studies).items()))
    formulae = {name: Interval.of(rows["ssim"] - rows[f"{name}_ssim"]) for name in ("luma", "conv1x1")}
    label = every([above(gain) for gain in formulae.values()])
    sentence = (
        f"{ {HOLDS: 'Yes', FAILS: 'No', NOT_SHOWN: 'That is open'}[label] }: on left-out scenes the best autoencoder "
        f"of that study, `{best}`, gains {formulae['luma'].text('+z.3f', '')} in SSIM over the formula and "
        f"{formulae['conv1x1'].text('+z.3f', '')} over a fitted 1 × 1 convolution. "
        "The photographs are clean, and the target is made by the formula."
    )
    return NOT_SHOWN if label == NOT_SHOWN else ANSWER, sentence, [rows]


CLAIMS: dict[str, Callable[[pd.DataFrame], Verdict]] = {
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
