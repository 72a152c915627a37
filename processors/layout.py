"""Where one variant's picture lies: which size the whole image gets for it, what is cut out of that, what surrounds it.

Box, gravity and focus mean the turned picture; levels are never turned, so that variants can share them. So a layout
is worked out in the turned frame and carried back. Exact arithmetic, as in ``processors.geometry``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from processors.geometry import Crop, Search, Size, anchored, cropped, resized
from processors.recipe import Fit, Flip, VariantSpec
from schemas.events import FocusPoint

if TYPE_CHECKING:
    from processors.recipe import Part

_QUARTERS = (90, 270)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A background, and where the picture lies on it."""

    size: Size
    left: int
    top: int

    def __str__(self) -> str:
        return f"{self.size} with the picture at {self.left},{self.top}"


@dataclass(frozen=True, slots=True)
class Layout:
    """One variant's geometry: level, then crop, then turn, then canvas."""

    level: Size
    """The whole image at this variant's scale, upright but not turned."""
    crop: Crop | Search | None
    """Of the level, not turned; None: all of it."""
    size: Size
    """Of the variant, turned and on its canvas."""
    canvas: Canvas | None


def lay_out(source: Size, spec: VariantSpec, focus: FocusPoint | None, kept: Crop | None = None) -> Layout:
    """Lay out a variant of an upright image; ``kept`` is what trimming left of it."""
    region = _part(kept or Crop(0, 0, source), spec.crop)
    turned = resized(turned_size(region.size, spec), spec, source)
    part = turned_size(turned, spec)
    level, place = _scaled_up(source, region, part)
    crop = cropped(turned, spec, turned_focus(_within(focus, source, region), spec))
    shown = crop.size if crop else turned
    canvas = _canvas(shown, spec)
    whole = Crop(*place, part)
    found = _moved(unturned(crop, turned, spec), whole) if crop else None if part == level else whole
    return Layout(level, found, canvas.size if canvas else shown, canvas)


def turned_size(size: Size, spec: VariantSpec) -> Size:
    """Return a size after (or, which is the same, before) the variant's rotation."""
    return Size(size.height, size.width) if spec.rotate in _QUARTERS else size


def turned_focus(focus: FocusPoint | None, spec: VariantSpec) -> FocusPoint | None:
    """Return where a point of the upright picture is after rotation and flip."""
    if focus is None:
        return None
    turns = {
        0: (focus.x, focus.y),
        90: (1 - focus.y, focus.x),
        180: (1 - focus.x, 1 - focus.y),
        270: (focus.y, 1 - focus.x),
    }
    x, y = turns[spec.rotate]
    return FocusPoint(1 - x if spec.flip is Flip.HORIZONTAL else x, 1 - y if spec.flip is Flip.VERTICAL else y)


def unturned(crop: Crop | Search, frame: Size, spec: VariantSpec) -> Crop | Search:
    """Carry a crop of the turned picture, which has the size ``frame``, back to the picture before its turn."""
    size = turned_size(crop.size, spec)
    if isinstance(crop, Search):
        return Search(size, crop.by, Crop(0, 0, turned_size(frame, spec)))
    right, below = frame.width - crop.left - crop.size.width, frame.height - crop.top - crop.size.height
    left = right if spec.flip is Flip.HORIZONTAL else crop.left
    top = below if spec.flip is Flip.VERTICAL else crop.top
    right, below = frame.width - left - crop.size.width, frame.height - top - crop.size.height
    places = {0: (left, top), 90: (top, right), 180: (right, below), 270: (below, left)}
    return Crop(*places[spec.rotate], size)


def upright(crop: Crop, stored: Size, orientation: int) -> Crop:
    """Carry a crop of the image as stored to the image as its EXIF orientation shows it."""
    if orientation in {2, 3, 7, 8}:
        crop = Crop(stored.width - crop.left - crop.size.width, crop.top, crop.size)
    if orientation in {3, 4, 6, 7}:
        crop = Crop(crop.left, stored.height - crop.top - crop.size.height, crop.size)
    if orientation > 4:  # noqa: PLR2004 - EXIF's 5 to 8 exchange width and height
        crop = Crop(crop.top, crop.left, Size(crop.size.height, crop.size.width))
    return crop


def _part(kept: Crop, part: Part | None) -> Crop:
    if part is None:
        return kept
    left, top, width, height = (Fraction(round(one * 10_000), 10_000) for one in part)
    x, across = _stretch(kept.size.width, left, width)
    y, down = _stretch(kept.size.height, top, height)
    return Crop(kept.left + x, kept.top + y, Size(across, down))


def _stretch(whole: int, start: Fraction, length: Fraction) -> tuple[int, int]:
    """Return where a part begins and how many pixels it has: at least one, and none outside."""
    first = min(math.floor(whole * start + Fraction(1, 2)), whole - 1)
    return first, min(max(math.floor(whole * length + Fraction(1, 2)), 1), whole - first)


def _scaled_up(source: Size, region: Crop, part: Size) -> tuple[Size, tuple[int, int]]:
    """Return how large the whole is where the region has the size ``part``, and where the region lies then."""
    if region.size == source:
        return part, (0, 0)
    across, down = Fraction(part.width, region.size.width), Fraction(part.height, region.size.height)
    level = Size(
        max(part.width, math.floor(source.width * across + Fraction(1, 2))),
        max(part.height, math.floor(source.height * down + Fraction(1, 2))),
    )
    left = min(math.floor(region.left * across + Fraction(1, 2)), level.width - part.width)
    top = min(math.floor(region.top * down + Fraction(1, 2)), level.height - part.height)
    return level, (left, top)


def _moved(crop: Crop | Search, part: Crop) -> Crop | Search:
    """Carry a crop of the part to the level that the part lies in."""
    if isinstance(crop, Search):
        return Search(crop.size, crop.by, part)
    return Crop(crop.left + part.left, crop.top + part.top, crop.size)


def _within(focus: FocusPoint | None, source: Size, region: Crop) -> FocusPoint | None:
    if focus is None or region.size == source:
        return focus
    x = (focus.x * source.width - region.left) / region.size.width
    y = (focus.y * source.height - region.top) / region.size.height
    return FocusPoint(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))


def _canvas(shown: Size, spec: VariantSpec) -> Canvas | None:
    box = Size(spec.width or shown.width, spec.height or shown.height)
    if spec.fit is not Fit.PAD or box == shown:
        return None
    left, top = anchored(Size(box.width - shown.width, box.height - shown.height), spec.gravity)
    return Canvas(box, left, top)
