"""Tell whether an ICC profile is sRGB in all but name, so that a colour conversion that changes nothing is not made.

Most photographs carry such a profile, in a dozen variants. Names are not believed: the primaries and the tone curves
are compared (ICC.1:2022, sections 7, 10.6, 10.18, 10.31; IEC 61966-2-1 for the curve).
"""

from __future__ import annotations

import struct
from struct import unpack_from
from typing import Final

_PRIMARIES: Final = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
"""sRGB's, adapted to D50 as ICC profiles hold them."""
_CURVES: Final = (b"rTRC", b"gTRC", b"bTRC")
_PRIMARY_TOLERANCE: Final = 0.0015
_CURVE_TOLERANCE: Final = 0.003
"""Less than one step of 8 bits."""
_LOOK_UP_TABLE: Final = b"A2B0"
"""Where present it replaces primaries and curves."""
_MAX_TAGS: Final = 100


def is_srgb(icc: bytes) -> bool:
    """Whether converting from this profile to sRGB would change nothing that 8 bits can hold. Never raises."""
    try:
        tags = _tags(icc)
        if icc[16:24] != b"RGB XYZ " or _LOOK_UP_TABLE in tags:
            return False
        primaries = all(_is_near(_xyz(icc, tags[name]), wanted) for name, wanted in _PRIMARIES.items())
        return primaries and all(_is_srgb_curve(icc, tags[name]) for name in _CURVES)
    except (KeyError, IndexError, struct.error, ArithmeticError, ValueError):
        return False


def _tags(icc: bytes) -> dict[bytes, int]:
    """Map tag names to the offsets of their data."""
    count = min(unpack_from(">I", icc, 128)[0], _MAX_TAGS)
    entries = (unpack_from(">4sI", icc, 132 + 12 * index) for index in range(count))
    return dict(entries)


def _xyz(icc: bytes, at: int) -> tuple[float, ...]:
    return tuple(value / 65536 for value in unpack_from(">3i", icc, at + 8))


def _is_near(found: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= _PRIMARY_TOLERANCE for a, b in zip(found, wanted, strict=True))


def _is_srgb_curve(icc: bytes, at: int) -> bool:
    points = [index / 16 for index in range(17)]
    return all(abs(_curve(icc, at, x) - _srgb_to_linear(x)) <= _CURVE_TOLERANCE for x in points)


def _srgb_to_linear(x: float) -> float:
    return x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - the standard's figures


def _curve(icc: bytes, at: int, x: float) -> float:
    """Evaluate a tone curve at ``x``, 0 to 1."""
    kind = icc[at : at + 4]
    if kind == b"para":
        return _parametric(icc, at, x)
    if kind != b"curv":
        raise ValueError(kind)
    count = unpack_from(">I", icc, at + 8)[0]
    if count == 0:
        return x
    if count == 1:
        return float(x ** (unpack_from(">H", icc, at + 12)[0] / 256))
    place = x * (count - 1)
    low = min(int(place), count - 2)
    first, second = unpack_from(">2H", icc, at + 12 + 2 * low)
    return float(first + (second - first) * (place - low)) / 65535


def _parametric(icc: bytes, at: int, x: float) -> float:
    """Take the one form in which sRGB is written: type 3, a power with a linear foot."""
    if unpack_from(">H", icc, at + 8)[0] != 3:  # noqa: PLR2004 - the type's number
        raise ValueError
    g, a, b, c, d = (value / 65536 for value in unpack_from(">5i", icc, at + 12))
    return float((a * x + b) ** g) if x >= d else c * x
