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
from processors.recipe_words import SMART

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


@dataclass(frozen=True, slots=True)
class Search:
    """A crop of which only the size is known before the pixels are."""

    size: Size
    by: Gravity
    """ATTENTION or ENTROPY."""
    within: Crop
    """The part of the level in which it is looked for."""

    def __str__(self) -> str:
        return f"{self.size} where {self.by} finds it"


def resized(source: Size, spec: VariantSpec, bounds: Size | None = None) -> Size:
    """Return the size of the whole image before any crop; no larger than the source unless the variant upscales.

    ``bounds`` is what is really enlarged, where ``source`` is only a part of it.
    """
    most = _largest_scale(bounds or source)
    if not spec.upscale:
        most = min(most, Fraction(1))
    across, down = (
        Fraction(wanted, has) if wanted is not None else None
        for wanted, has in ((spec.width, source.width), (spec.height, source.height))
    )
    if spec.fit is Fit.FORCE and across is not None and down is not None:
        return Size(_scaled(source.width, min(across, most)), _scaled(source.height, min(down, most)))
    choose = min if spec.fit in {Fit.FIT, Fit.PAD} else max
    scale = choose((ratio for ratio in (across, down) if ratio is not None), default=Fraction(1))
    scale = min(max(scale, _smallest_scale(source, spec)), most)
    return _within_area(Size(_scaled(source.width, scale), _scaled(source.height, scale)), spec.max_pixels)


def cropped(whole: Size, spec: VariantSpec, focus: FocusPoint | None) -> Crop | Search | None:
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
    if spec.gravity in SMART:
        return Search(kept, spec.gravity, Crop(0, 0, whole))
    if spec.gravity is Gravity.FOCUS and focus is not None:
        left = _around(focus.x, whole.width, kept.width)
        top = _around(focus.y, whole.height, kept.height)
        return Crop(left, top, kept)
    return Crop(*anchored(Size(whole.width - kept.width, whole.height - kept.height), spec.gravity), kept)


def anchored(free: Size, gravity: Gravity) -> tuple[int, int]:
    """Return how much of the free space lies to the left and above; what is no direction is the centre."""
    x, y = _ANCHORS.get(gravity, _ANCHORS[Gravity.CENTER])
    return math.floor(free.width * x), math.floor(free.height * y)


def _smallest_scale(source: Size, spec: VariantSpec) -> Fraction:
    across = Fraction(spec.min_width or 0, source.width)
    return max(across, Fraction(spec.min_height or 0, source.height))


def _within_area(size: Size, most: int | None) -> Size:
    """Shrink in proportion until no more than ``most`` pixels are left."""
    if most is None or size.area <= most:
        return size
    scale = Fraction(math.isqrt(most * 10**8 // size.area), 10**4)
    width, height = max(1, math.floor(size.width * scale)), max(1, math.floor(size.height * scale))
    return Size(min(width, most), min(height, max(1, most // min(width, most))))


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
