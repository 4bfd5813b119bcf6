"""Closed-form conversions from colour to gray.

Each maps a whole photograph, `(height, width, 3)` uint8, sRGB, to a new array, `(height, width)` uint8, halves rounded
up. All but one are pointwise: a pixel's gray depends on that pixel alone, so a photograph can be converted stripe by
stripe, as `stripes` does. None takes more than 20 bytes of memory per pixel of a large photograph.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

BT601 = (0.299, 0.587, 0.114)  # weights of R', G' and B' in luma; ITU-R Recommendation BT.601-7, section 2.5.1
BT709 = (0.2126, 0.7152, 0.0722)  # the same; ITU-R Recommendation BT.709-6, item 3.2

STRIPE = 1 << 18  # pixels that a pointwise conversion converts at a time; they fit into a core's cache
CELLS = 64  # gradient_correlation: side of the reduced photograph, if it is square
WEIGHTS = sorted(  # gradient_correlation: all convex triples in tenths, the nearest to BT.601 first
    ((red, green, 10 - red - green) for red in range(11) for green in range(11 - red)),
    key=lambda weights: sum((weight / 10 - luma) ** 2 for weight, luma in zip(weights, BT601, strict=True)),
)


def bt601(photograph: np.ndarray) -> np.ndarray:
    """BT.601 luma of the encoded values, exactly rounded: Y' = 0.299 R' + 0.587 G' + 0.114 B'."""
    return _weighted(photograph, (299, 587, 114))


def bt709(photograph: np.ndarray) -> np.ndarray:
    """BT.709 luma of the encoded values, exactly rounded: Y' = 0.2126 R' + 0.7152 G' + 0.0722 B'."""
    return _weighted(photograph, (2126, 7152, 722))


def linear_luminance(photograph: np.ndarray) -> np.ndarray:
    """Relative luminance in linear light, encoded again: Y = 0.2126 R + 0.7152 G + 0.0722 B, then sRGB's V(Y).

    IEC 61966-2-1 linearises an encoded value V in 0…1 by V / 12.92 up to 0.04045, by ((V + 0.055) / 1.055)^2.4 above;
    sRGB has the primaries of BT.709. Level k begins at the luminance that k − ½ encodes: no colour is nearer to such a
    border than the error of float64.
    """
    luminance = _sum_of_entries(LIGHT, photograph)
    return np.searchsorted(ENCODED_BORDERS, luminance, side="right").astype(np.uint8)


def lightness(photograph: np.ndarray) -> np.ndarray:
    """CIE lightness of the relative luminance in linear light, 0…100 scaled to 0…255.

    CIE 15:2004, section 8.2.1 (ISO 11664-4): L* = 116 f(Y / Yn) − 16 with f(t) = t^(1/3) above (24/116)³ and
    (841/108) t + 16/116 below, with Y of `linear_luminance` and Yn = 1. Unlike the other conversions it changes grays:
    R = G = B = 20 becomes 16, 128 becomes 137.
    """
    luminance = _sum_of_entries(LIGHT, photograph)
    return np.searchsorted(LIGHTNESS_BORDERS, luminance, side="right").astype(np.uint8)


def average(photograph: np.ndarray) -> np.ndarray:
    """Intensity of HSI, exactly rounded: (R' + G' + B') / 3. Gonzalez and Woods, Digital Image Processing, 6.2."""
    return _weighted(photograph, (1, 1, 1))


def value(photograph: np.ndarray) -> np.ndarray:
    """Value of HSV: V = max(R', G', B'). Smith, "Color gamut transform pairs", SIGGRAPH 1978."""
    red, green, blue = np.moveaxis(photograph, 2, 0)
    return np.maximum(np.maximum(red, green), blue)


def hsl_lightness(photograph: np.ndarray) -> np.ndarray:
    """Lightness of HSL, exactly rounded: L = (max(R', G', B') + min(R', G', B')) / 2.

    Joblove and Greenberg, "Color spaces for computer graphics", SIGGRAPH 1978.
    """
    red, green, blue = np.moveaxis(photograph, 2, 0)
    lowest = np.minimum(np.minimum(red, green), blue).astype(np.uint16)
    return ((value(photograph) + lowest + 1) // 2).astype(np.uint8)


def green(photograph: np.ndarray) -> np.ndarray:
    """The encoded green value: G'. It has the largest weight in luma, and cameras sample it most densely."""
    return photograph[..., 1].copy()


def gradient_correlation(photograph: np.ndarray) -> np.ndarray:
    """Contrast-preserving gray: w_r R' + w_g G' + w_b B', exactly rounded.

    `gradient_correlation_weights` chooses the weights from the whole photograph, so a stripe or a patch alone would get
    others. Achromatic photographs keep their levels.
    """
    return _weighted(photograph, gradient_correlation_weights(photograph))


def haematoxylin(photograph: np.ndarray) -> np.ndarray:
    """Density of the stain haematoxylin, which colours nuclei blue: 0 without stain, 255 from `DENSEST` on.

    Colour deconvolution of Ruifrok and Johnston 2001 (Analytical and Quantitative Cytology and Histology 23:4), with
    their vectors of haematoxylin, eosin and DAB, as in scikit-image's `rgb2hed`. The optical density of a channel is
    −log10(V / 255), at most 6; a pixel's is the sum of the three vectors times their densities. Negative densities
    become 0.
    """
    return _stain(photograph, 0)


def eosin(photograph: np.ndarray) -> np.ndarray:
    """Density of the stain eosin, which colours cytoplasm pink; as `haematoxylin`."""
    return _stain(photograph, 1)


def dab(photograph: np.ndarray) -> np.ndarray:
    """Density of diaminobenzidine, the brown of immunohistochemistry; as `haematoxylin`."""
    return _stain(photograph, 2)


def _stain(photograph: np.ndarray, stain: int) -> np.ndarray:
    density = _sum_of_entries(STAINS[stain], photograph)
    np.clip(density, 0, DENSEST, out=density)
    density *= 255 / DENSEST
    density += 0.5
    return density.astype(np.uint8)


def _weighted(photograph: np.ndarray, weights: tuple[int, int, int]) -> np.ndarray:
    """The weighted mean of the channels, in integer arithmetic."""
    whole = sum(weights)
    gray = np.full(photograph.shape[:2], whole // 2, np.uint32)
    for channel, weight in enumerate(weights):
        gray += photograph[..., channel] * np.uint32(weight)
    gray //= np.uint32(whole)
    return gray.astype(np.uint8)


def gradient_correlation_weights(photograph: np.ndarray) -> tuple[int, int, int]:
    """The weights of red, green and blue, in tenths, whose gray differs most as the channels do.

    GcsDecolor with discrete search: Liu, Liu, Xie, Wang and Liang, "GcsDecolor: gradient correlation similarity for
    efficient contrast preserving decolorization", IEEE Transactions on Image Processing 24(9), 2015. Of the 66 triples
    w_r + w_g + w_b = 1, w ≥ 0, in steps of 0.1, it takes the one with the largest

        Gcs(w) = Σ over pairs (x, y), Σ over c ∈ {r, g, b}: |Δg| d_c / (|Δg|² + d_c²)

    where values are 0…1, Δ_c = c_x − c_y, Δg = w_r Δ_r + w_g Δ_g + w_b Δ_b and d_c = |Δ_c| + 0.25. Pairs with
    √(Δ_r² + Δ_g² + Δ_b²) < 0.05 √2 are left out. Formula and constants are those of the authors' published program
    (√2 there is 1.41). Three things differ, to leave nothing to chance:

    - The photograph is reduced to about 64 × 64 cells with its aspect ratio, by means over exact areas, rounded to 8
      bits; the program picks single pixels. A smaller side is not enlarged.
    - Pairs are all cells at fixed offsets: neighbours below and to the right; and half and a quarter of the height, of
      the width, and of both along either diagonal. The program takes neighbours after halving once more, and random
      pairs. A mirrored or turned photograph gets the same weights.
    - Terms are summed in units of 2⁻³², so the order of the sum and the processor do not matter. Of equal scores, the
      triple nearest to BT.601 wins: 0.3, 0.6, 0.1 for an achromatic or a flat photograph.

    Returns:
        Three integers from 0 to 10 that sum to 10.
    """
    scores = _similarities(_pair_differences(_reduce(photograph)))
    return WEIGHTS[scores.index(max(scores))]


def _similarities(differences: np.ndarray) -> list[int]:
    """Gcs of each of `WEIGHTS`, in units of 2⁻³²; `differences` of pairs is `(pairs, 3)` in integer levels."""
    visible = np.square(differences).sum(axis=1) >= 2 * (0.05 * 255) ** 2
    differences = differences[visible].T.astype(np.float64)  # (3, pairs)
    contrasts = 40 * np.abs(differences) + 2550  # d_c in units of 1 / 10200: 255 levels × tenths × quarters
    scores = []
    for weights in WEIGHTS:
        gray = 4 * np.abs(np.dot(weights, differences))  # |Δg| in the same units
        square = np.square(gray)
        terms = sum(gray * contrast / (square + np.square(contrast)) for contrast in contrasts)
        scores.append(int((terms * 2**32).astype(np.int64).sum()))
    return scores


def _reduce(photograph: np.ndarray) -> np.ndarray:
    """Means of about `CELLS`² equal areas: `(rows, columns, 3)` int64, halves rounded up."""
    height, width = photograph.shape[:2]
    rows = min(height, max(1, round(CELLS * math.sqrt(height / width))))
    columns = min(width, max(1, round(CELLS * math.sqrt(width / height))))
    sums = _sum_rows(_sum_rows(photograph, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
    return (2 * sums + height * width) // (2 * height * width)


def _sum_rows(image: np.ndarray, cells: int) -> np.ndarray:
    """Sums `(cells, …)` int64 of equal shares of the rows of `image` `(length, …)`, times `cells`.

    A row across the border of two shares counts in each by its part there.
    """
    length = len(image)
    sums = np.empty((cells, *image.shape[1:]), np.int64)
    for cell in range(cells):
        start, stop = cell * length, (cell + 1) * length  # in units of 1 / cells of a row
        rows = np.arange(start // cells, -(-stop // cells))
        parts = np.minimum((rows + 1) * cells, stop) - np.maximum(rows * cells, start)
        sums[cell] = np.tensordot(parts, image[rows[0] : rows[-1] + 1], axes=1)
    return sums


def _pair_differences(cells: np.ndarray) -> np.ndarray:
    """Differences `(pairs, 3)` of all pairs of `cells` `(rows, columns, 3)` at the fixed offsets."""
    rows, columns = cells.shape[:2]
    offsets = [(1, 0), (0, 1)]
    for down, right in ((rows // 2, columns // 2), (rows // 4, columns // 4)):
        offsets += [(down, 0), (0, right), (down, right), (down, -right)]
    differences = []
    for down, right in offsets:
        first = cells[: rows - down, max(0, -right) : columns - max(0, right)]
        second = cells[down:, max(0, right) : columns - max(0, -right)]
        differences.append((first - second).reshape(-1, 3))
    return np.concatenate(differences)


def _linear(encoded: float) -> float:
    """Encoded value → linear light, both 0…1 (IEC 61966-2-1)."""
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def _luminance_at(lightness: float) -> float:
    """CIE lightness L*, 0…100 → luminance Y / Yn, 0…1 (CIE 15:2004)."""
    root = (lightness + 16) / 116
    return root**3 if root > 24 / 116 else (root - 16 / 116) * 108 / 841


def _sum_of_entries(tables: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    """The sum over channels of `tables`, `(channel, level)`, at each pixel: `(height, width)`."""
    found = tables[0][photograph[..., 0]]
    for channel in (1, 2):
        found += tables[channel][photograph[..., channel]]
    return found


LIGHT = np.outer(BT709, [_linear(level / 255) for level in range(256)])  # (channel, level) → its part of Y
ENCODED_BORDERS = np.array([_linear((level - 0.5) / 255) for level in range(1, 256)])  # level k begins at k − ½
LIGHTNESS_BORDERS = np.array([_luminance_at((level - 0.5) / 2.55) for level in range(1, 256)])

DENSEST = 1.5  # optical density of a stain that becomes 255; 0.2 % of the bundled slide have more DAB
OPTICAL_DENSITY = [-math.log10(max(level / 255, 1e-6)) for level in range(256)]
VECTORS = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]  # haematoxylin, eosin, DAB
STAINS = np.multiply.outer(np.linalg.inv(VECTORS).round(12).T, OPTICAL_DENSITY)  # (stain, channel, level)

Convert = Callable[[np.ndarray], np.ndarray]

POINTWISE: dict[str, Convert] = {
    convert.__name__: convert
    for convert in (
        bt601, bt709, linear_luminance, lightness, average, value, hsl_lightness, green, haematoxylin, eosin, dab,
    )
}  # fmt: skip
CONVERSIONS: dict[str, Convert] = {**POINTWISE, "gradient_correlation": gradient_correlation}


def stripes(
    name: str, read: Callable[[int, int], np.ndarray], height: int, width: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Convert a photograph in stripes to save memory; in one piece if the conversion is not pointwise.

    `read` returns the rows `top` to `bottom` − 1, `(bottom − top, width, 3)` uint8, sRGB. Yields the number of the
    first row, and gray rows `(n, width)` uint8, from top to bottom.
    """
    step = max(1, STRIPE // width) if name in POINTWISE else height
    for top in range(0, height, step):
        yield top, CONVERSIONS[name](read(top, min(top + step, height)))
