"""The colour that a person would name as the picture's, for a page to show until the image is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS: Final = 8
"""Values a channel is sorted into: 512 bins, wide enough that noise does not tear an area of one colour apart."""


def dominant_colour(rgba: NDArray[np.uint8]) -> str:
    """Return ``#rrggbb``: the mean of the fullest bin of colours, counted by opacity; black if all is transparent."""
    pixels = rgba.reshape(-1, 4).astype(np.int64)
    colours, opacity = pixels[:, :3], pixels[:, 3]
    step = 256 // _STEPS
    bins = (colours // step) @ np.array([_STEPS * _STEPS, _STEPS, 1])
    fullest = int(np.bincount(bins, weights=opacity).argmax())
    members = bins == fullest
    weight = int(opacity[members].sum())
    if not weight:
        return "#000000"
    red, green, blue = (int(channel) // weight for channel in (colours * opacity[:, None])[members].sum(axis=0))
    return f"#{red:02x}{green:02x}{blue:02x}"
