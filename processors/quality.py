"""Find an encoder's quality by trying: few probes, never more than `PROBES` for each question. No pixels here.

What an encoder makes of a quality is handed in as a function, and so is what a result is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PROBES: Final = 6
"""Six halvings leave two of a hundred qualities to choose from."""
LOWEST: Final = 10
"""Below it every encoder makes blocks rather than pictures."""
HIGHEST: Final = 98
"""Beyond it files double and nobody sees why."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file, and how it came to its quality."""

    data: bytes
    quality: int | None
    """None where it is lossless."""
    missed: str = ""
    """``target`` or ``max_bytes`` where even the end of the range did not reach it; else empty."""


def lowest_quality(encode: Callable[[int], bytes], likeness: Callable[[bytes], float], target: float) -> Encoded:
    """Return the smallest file tried that is as like the picture as ``target`` asks, or the best there is."""
    best: Encoded | None = None
    low, high = LOWEST, HIGHEST
    for _ in range(PROBES):
        if low > high:
            break
        quality = (low + high) // 2
        data = encode(quality)
        if likeness(data) >= target:
            best, high = Encoded(data, quality), quality - 1
        else:
            low = quality + 1
    if best is not None:
        return best
    data = encode(HIGHEST)
    return Encoded(data, HIGHEST, "" if likeness(data) >= target else "target")


def within_bytes(encode: Callable[[int], bytes], first: Encoded, most: int) -> Encoded:
    """Return the file of the highest quality tried, none above the first one's, that has at most ``most`` bytes."""
    if len(first.data) <= most or first.quality is None:
        return first
    best: Encoded | None = None
    low, high = LOWEST, first.quality - 1
    for _ in range(PROBES):
        if low > high:
            break
        quality = (low + high) // 2
        data = encode(quality)
        if len(data) <= most:
            best, low = Encoded(data, quality, first.missed), quality + 1
        else:
            high = quality - 1
    if best is not None:
        return best
    data = encode(LOWEST) if first.quality > LOWEST else first.data
    quality = min(LOWEST, first.quality)
    return Encoded(data, quality, first.missed if len(data) <= most else "max_bytes")
