"""Convert colour to sRGB where Pillow can't: code points, gamma and primaries, ICC profiles of 16-bit samples."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from grayscale.reading import DecodeError

Curve = Callable[[np.ndarray], np.ndarray]  # samples in [0, 1] → linear light
Chromaticities = Sequence[tuple[float, float]]  # x and y of red, green, blue and white

D65, C = (0.3127, 0.3290), (0.310, 0.316)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
SMPTE = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
PRIMARIES: dict[int, Chromaticities] = {  # ITU-T H.273, table 2
    1: SRGB_PRIMARIES,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: SMPTE,
    7: SMPTE,
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: (*P3, (0.314, 0.351)),
    12: (*P3, D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # g, a, b, c, d of `_parametric`
BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
TRANSFERS: dict[int, Sequence[float]] = {  # ITU-T H.273, table 3, inverted: from samples to light
    1: BT709, 4: (2.2,), 5: (2.8,), 6: BT709, 7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912), 8: (1.0,),
    13: SRGB, 14: BT709, 15: BT709,
}  # fmt: skip
HDR = {16: "PQ (HDR)", 18: "HLG (HDR)"}
UNSPECIFIED = 2
GAMMA_OF_SRGB = 0.45455  # as PNG writers state it; PNG third edition, section 11.3.2.5

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])  # of ICC's connection space


@dataclass(frozen=True)
class Colour:
    """The meaning of samples."""

    curves: Sequence[Curve]  # of red, green and blue, or of gray alone
    matrix: np.ndarray | None  # linear RGB → linear sRGB, relative colorimetric; None for gray

    def srgb(self, samples: np.ndarray, full: int) -> np.ndarray:
        """Samples in 0…`full`, `(height, width, 3)` or gray `(height, width)` → sRGB levels, uint8."""
        every = np.arange(full + 1) / full
        if samples.ndim == 2:
            return _encoded(self.curves[0](every))[samples]
        linear = [curve(every).astype(np.float32)[samples[..., band]] for band, curve in enumerate(self.curves)]
        matrix = np.eye(3) if self.matrix is None else self.matrix
        return _encoded(np.stack(linear, axis=-1) @ matrix.T.astype(np.float32))


def from_code_points(primaries: int, transfer: int) -> Colour | None:
    """The colour of ITU-T H.273; None for sRGB. What is unspecified is taken from sRGB.

    Raises:
        DecodeError: it is not supported; names it.
    """
    if transfer in HDR:
        raise DecodeError(f"its colour is {HDR[transfer]}, which is not supported")
    transfer = 13 if transfer == UNSPECIFIED else transfer
    primaries = 1 if primaries == UNSPECIFIED else primaries
    if primaries not in PRIMARIES or transfer not in TRANSFERS:
        raise DecodeError(f"its colour, primaries {primaries} with transfer {transfer} of H.273, is not supported")
    return None if (primaries, transfer) == (1, 13) else _made(PRIMARIES[primaries], TRANSFERS[transfer])


def from_gamma(gamma: float | None, chromaticities: Chromaticities | None) -> Colour | None:
    """The colour of a PNG with gAMA or cHRM; None if they state sRGB or impossible values."""
    ours = chromaticities is None or np.allclose(chromaticities, SRGB_PRIMARIES, atol=1e-3)
    if not gamma or (ours and abs(gamma - GAMMA_OF_SRGB) < 1e-3):
        return None if ours else _made(chromaticities or SRGB_PRIMARIES, SRGB)
    return _made(chromaticities or SRGB_PRIMARIES, (1 / gamma,))


def from_profile(profile: bytes) -> Colour | None:
    """The colour of an ICC profile of curves and, for RGB, a matrix; None for tables, or if it is broken."""
    try:
        tags = {name: memoryview(profile)[start : start + size] for name, start, size in _tags(profile)}
        if profile[36:40] != b"acsp" or has_tables(profile):
            return None
        if is_gray(profile):
            return Colour([_curve(tags[b"kTRC"])], None)
        if profile[16:24] != b"RGB XYZ ":
            return None
        colorants = [struct.unpack_from(">3i", tags[name + b"XYZ"], 8) for name in (b"r", b"g", b"b")]
        matrix = np.linalg.inv(_to_d50(SRGB_PRIMARIES)) @ np.transpose(colorants) / 65536
        return Colour([_curve(tags[name + b"TRC"]) for name in (b"r", b"g", b"b")], matrix)
    except (KeyError, IndexError, ValueError, ZeroDivisionError, struct.error):
        return None


def is_gray(profile: bytes) -> bool:
    """Is an ICC profile for gray samples?"""
    return profile[16:20] == b"GRAY"


def has_tables(profile: bytes) -> bool:
    """Does an ICC profile hold tables? Lcms is exact for these only without its optimisation: else 18 levels off."""
    return any(name.startswith((b"A2B", b"D2B")) for name, _, _ in _tags(profile))


def _tags(profile: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of each tag of an ICC profile."""
    count = min(int.from_bytes(profile[128:132]), (len(profile) - 132) // 12)
    return struct.iter_unpack(">4sII", profile[132 : 132 + 12 * max(0, count)])


def _made(chromaticities: Chromaticities, transfer: Sequence[float]) -> Colour | None:
    try:
        matrix = np.linalg.inv(_to_d50(SRGB_PRIMARIES)) @ _to_d50(chromaticities)
    except (ZeroDivisionError, np.linalg.LinAlgError):  # impossible: three points on a line, or a dark white
        return None
    return Colour([partial(_parametric, transfer)] * 3, matrix)


def _to_d50(chromaticities: Chromaticities) -> np.ndarray:
    """The matrix from linear RGB to CIE XYZ, adapted from its white to D50; ICC.1, annex E."""
    xyz = np.array([(x / y, 1, (1 - x - y) / y) for x, y in chromaticities]).T
    white = xyz[:, 3]
    adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    return adapted @ (xyz[:, :3] * np.linalg.solve(xyz[:, :3], white))


def _curve(tag: bytes | memoryview) -> Curve:
    """A curve of an ICC profile; ICC.1:2010, sections 10.5 and 10.15."""
    if tag[:4] == b"para":
        (form,) = struct.unpack_from(">H", tag, 8)
        g, *rest = (number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[form]}i", tag, 12))
        if form in (1, 2):  # (ax + b)^g + c, and c where ax + b is negative
            a, b, c = (*rest, 0.0)[:3]
            rest = [a, b, 0.0, -b / a, c, c]
        return partial(_parametric, (g, *rest))
    if tag[:4] != b"curv":
        raise ValueError("no curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    values = np.frombuffer(tag, ">u2", count, 12) / 65535
    if count < 2:
        return partial(_parametric, (float(values[0]) * 65535 / 256 if count else 1.0,))
    return lambda x: np.interp(x, np.linspace(0, 1, count), values)


def _parametric(numbers: Sequence[float], x: np.ndarray) -> np.ndarray:
    """(ax + b)^g + e from d on, cx + f below; ICC.1:2010, section 10.15. Missing `numbers` have neutral values."""
    g, a, b, c, d, e, f = (*numbers, *(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(numbers) :])
    return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _encoded(linear: np.ndarray) -> np.ndarray:
    """Linear light → sRGB levels; IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)
