"""What only the pixels can say before a picture is cut: where its border ends, and which part of it people look at.

Runs only in render processes (and tests): it loads libvips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.geometry import Crop, Search, Size
from processors.layout import upright

if TYPE_CHECKING:
    from processors.vips import Image

_SOLID = 128
"""Opacity below which a corner counts as transparent: then transparency is the border."""


def without_border(decoded: Image, orientation: int, threshold: int) -> Crop | None:
    """Return what lies within a border of the corner's colour, upright; None if there is none, or nothing else.

    ``decoded`` is the source at full size, in memory, as stored.
    """
    corner = decoded(0, 0)
    if decoded.hasalpha() and corner[-1] < _SOLID:
        seen, background = decoded[decoded.bands - 1], [corner[-1]]
    else:
        seen = decoded.flatten(background=corner[:-1]) if decoded.hasalpha() else decoded
        background = corner[: seen.bands]
    scale = 257 if decoded.format == "ushort" else 1
    left, top, width, height = seen.find_trim(threshold=threshold * scale, background=background)
    stored = Size(decoded.width, decoded.height)
    inner = Crop(int(left), int(top), Size(int(width), int(height)))
    return None if not inner.size.area or inner.size == stored else upright(inner, stored, orientation)


def found(search: Search, level: Image, seen: Image) -> Crop:
    """Look for a smart crop of ``level`` in ``seen``, the whole image at another size."""
    across, down = seen.width / level.width, seen.height / level.height
    within = search.within
    left, top = round(within.left * across), round(within.top * down)
    area = seen.crop(
        left,
        top,
        max(1, min(round(within.size.width * across), seen.width - left)),
        max(1, min(round(within.size.height * down), seen.height - top)),
    )
    width = min(max(1, round(search.size.width * across)), area.width)
    height = min(max(1, round(search.size.height * down)), area.height)
    best = area.smartcrop(width, height, interesting=search.by.value)
    free_x, free_y = within.size.width - search.size.width, within.size.height - search.size.height
    return Crop(
        within.left + min(max(round(-best.xoffset / across), 0), free_x),
        within.top + min(max(round(-best.yoffset / down), 0), free_y),
        search.size,
    )
