"""One variant's picture, out of the levels: where it is cropped, and what is done to it.

Runs only in render processes (and tests): it loads libvips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.finish import finished
from processors.geometry import Search
from processors.look import found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.geometry import Crop
    from processors.steps import Output, Plan
    from processors.vips import Image


def crop_of(output: Output, plan: Plan, levels: Sequence[Image]) -> Crop | None:
    """Return what is kept of the output's level; what only the pixels can say is looked for in them."""
    if isinstance(output.crop, Search):
        return found(output.crop, levels[output.level], levels[plan.search or 0])
    return output.crop


def picture_of(output: Output, levels: Sequence[Image], crop: Crop | None) -> Image:
    """Return the finished picture."""
    return finished(levels[output.level], output, crop)
