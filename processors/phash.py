"""A perceptual hash: nearly the same 64 bits for nearly the same picture, to find near-duplicates by.

dHash: the picture in 9 by 8 grey cells, a bit for each cell that is darker than its right-hand neighbour. Two pictures
whose hashes differ in few bits (up to about ten) look alike, whatever their size, format and quality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from processors.likeness import luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS: Final = 9
_ROWS: Final = 8
_WHITE: Final = 255.0
HEX_DIGITS: Final = 16


def perceptual_hash(rgba: NDArray[np.uint8]) -> str:
    """Return 16 lower-case hex digits for a picture of (height, width, 4), as it is seen on white."""
    opacity = rgba[..., 3].astype(np.float64) / 255
    seen = luma(rgba[..., :3]) * opacity + _WHITE * (1 - opacity)
    cells = _shares(_ROWS, seen.shape[0]) @ seen @ _shares(_COLUMNS, seen.shape[1]).T
    # Whole steps: an area of one colour must not get bits from the noise of the arithmetic.
    steps = np.rint(cells).astype(np.int64)
    bits = "".join("1" if bit else "0" for bit in (steps[:, 1:] > steps[:, :-1]).flat)
    return f"{int(bits, 2):0{HEX_DIGITS}x}"


def _shares(cells: int, pixels: int) -> NDArray[np.float64]:
    """Return how much of each pixel belongs to each cell, each cell's shares adding up to 1."""
    edges = np.arange(cells + 1) * pixels / cells
    places = np.arange(pixels)
    covered = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    return np.asarray(np.clip(covered, 0, None) * cells / pixels)
