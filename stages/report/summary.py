"""The one nested, rounded, stably ordered table of results, from the facts that each evaluation left."""

from __future__ import annotations

from typing import Any

DECIMALS = {"psnr": 3, "ssim": 5, "kl_nats": 3}
DEFAULT_DECIMALS = 4
HEADLINE = ("psnr", "ssim")  # what git keeps of a method; everything else is on the page
FACTS = ("latent", "kl_nats", "active_units", "chroma_of_input", "chroma_of_output")
CLOSED_FORMS = ("luma", "mean_rgb", "green")  # baselines that learn nothing


def build(evaluations: dict[str, Any], variants: list[str]) -> dict[str, Any]:
    """Nest evaluations as `variants.<name>.…` and `baselines.<name>.…`, numbers rounded, in the order of `variants`.

    Args:
        evaluations: the facts of `baselines` and of each variant. A variant's evaluation also scores PCA at its latent
            size, which goes to `baselines.pca_<latent>`, and may score read-outs, which go to
            `variants.<name>.read_outs.<read-out>`.
        variants: their names.
    """
    baselines = {name: _row(score) for name, score in evaluations["baselines"]["scores"].items()}
    rows: dict[str, Any] = {}
    pca: dict[int, Any] = {}
    for name in variants:
        evaluation = evaluations[name]
        rows[name] = _row(evaluation["scores"][name])
        rows[name].update({fact: evaluation[fact] for fact in FACTS if fact in evaluation})
        for method, score in evaluation["scores"].items():
            if method.startswith("pca_"):
                pca[int(method.removeprefix("pca_"))] = _row(score)
            elif method != name:
                rows[name].setdefault("read_outs", {})[method.removeprefix(f"{name}_")] = _row(score)
    baselines.update({f"pca_{components}": pca[components] for components in sorted(pca)})
    return _rounded({"variants": rows, "baselines": baselines})


def _row(score: dict[str, Any]) -> dict[str, Any]:
    return {key: score[key] for key in HEADLINE}


def _rounded(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part, name) for name, part in value.items()}
    return round(value, DECIMALS.get(key, DEFAULT_DECIMALS)) if isinstance(value, float) else value


def answer(summary: dict[str, Any]) -> str:
    """One or two sentences that answer the question, worded by the numbers."""
    variants, baselines = summary["variants"], summary["baselines"]
    gray = {name: row for name, row in variants.items() if "chroma_of_output" not in row}
    if not gray:
        return "No variant in this run was trained on gray targets."
    best = max(gray, key=lambda name: gray[name]["psnr"])
    rival = max(CLOSED_FORMS, key=lambda name: baselines[name]["psnr"])
    row, other = gray[best], baselines[rival]
    sentence = (
        f"The best autoencoder here, {best}, turns unseen colour photographs into gray at {row['psnr']:.1f} dB PSNR "
        f"and {row['ssim']:.4f} SSIM, through {row['latent']} latent numbers. "
    )
    if other["psnr"] > row["psnr"]:
        return sentence + f"The formula {rival}, which needs no learning at all, reaches {other['psnr']:.1f} dB."
    return sentence + f"No formula does better: the best of them, {rival}, reaches {other['psnr']:.1f} dB."
