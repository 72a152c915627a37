"""Sizes and crops: what a box, a way of fitting and a gravity make of an image's width and height. Exact arithmetic.

Everything is in pixels after orientation, and in fractions rather than floats, so that no machine rounds differently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from processors.recipe import MAX_SIDE, Fit, Gravity, VariantSpec, crops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.events import FocusPoint

MAX_OUTPUT_PIXELS: Final = 100_000_000
"""Of one resized image; only enlarging can get there, since sources are bounded by the same figure."""

_ANCHORS: Final[Mapping[Gravity, tuple[Fraction, Fraction]]] = MappingProxyType(
    {
        gravity: (Fraction(x, 2), Fraction(y, 2))
        for gravity, x, y in (
            (Gravity.NORTH_WEST, 0, 0),
            (Gravity.NORTH, 1, 0),
            (Gravity.NORTH_EAST, 2, 0),
            (Gravity.WEST, 0, 1),
            (Gravity.CENTER, 1, 1),
            (Gravity.EAST, 2, 1),
            (Gravity.SOUTH_WEST, 0, 2),
            (Gravity.SOUTH, 1, 2),
            (Gravity.SOUTH_EAST, 2, 2),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of a resized image that is kept."""

    left: int
    top: int
    size: Size

    def __str__(self) -> str:
        return f"{self.size} at {self.left},{self.top}"


def resized(source: Size, spec: VariantSpec) -> Size:
    """Return the size of the whole image before any crop; no larger than the source unless the variant upscales."""
    ratios = [
        Fraction(wanted, has)
        for wanted, has in ((spec.width, source.width), (spec.height, source.height))
        if wanted is not None
    ]
    choose = min if spec.fit is Fit.FIT else max
    scale = choose(ratios, default=Fraction(1))
    if not spec.upscale:
        scale = min(scale, Fraction(1))
    scale = min(scale, _largest_scale(source))
    return Size(_scaled(source.width, scale), _scaled(source.height, scale))


def cropped(whole: Size, spec: VariantSpec, focus: FocusPoint | None) -> Crop | None:
    """Return what is kept of the resized image, or None for all of it."""
    if not crops(spec.fit) or spec.width is None or spec.height is None:
        return None
    box = Size(spec.width, spec.height)
    if spec.fit is Fit.FILL_DOWN:
        scale = min(Fraction(whole.width, box.width), Fraction(whole.height, box.height), Fraction(1))
        box = Size(_scaled(box.width, scale), _scaled(box.height, scale))
    kept = Size(min(box.width, whole.width), min(box.height, whole.height))
    if kept == whole:
        return None
    free = Size(whole.width - kept.width, whole.height - kept.height)
    if spec.gravity is Gravity.FOCUS and focus is not None:
        left = _around(focus.x, whole.width, kept.width)
        top = _around(focus.y, whole.height, kept.height)
        return Crop(left, top, kept)
    x, y = _ANCHORS[Gravity.CENTER if spec.gravity is Gravity.FOCUS else spec.gravity]
    return Crop(math.floor(free.width * x), math.floor(free.height * y), kept)


def _largest_scale(source: Size) -> Fraction:
    by_side = Fraction(MAX_SIDE, max(source.width, source.height))
    by_area = Fraction(math.isqrt(MAX_OUTPUT_PIXELS * 10**8 // source.area), 10**4)
    return min(by_side, by_area)


def _scaled(side: int, scale: Fraction) -> int:
    return max(1, math.floor(side * scale + Fraction(1, 2)))


def _around(focus: float, whole: int, kept: int) -> int:
    """Return where a stretch of ``kept`` begins that has ``focus`` in its middle, or as near to it as the edges let."""
    place = Fraction(round(focus * 10_000), 10_000) if 0 <= focus <= 1 else Fraction(1, 2)
    return min(max(math.floor(place * whole - Fraction(kept, 2)), 0), whole - kept)
