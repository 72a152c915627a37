"""How much one picture is like another: SSIM of the luma, as ffmpeg and x264 count it (8x8 windows, 4 apart)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP: Final = 4
_PIXELS: Final = 64.0
"""In a window."""
_C1: Final = (0.01 * 255) ** 2
_C2: Final = (0.03 * 255) ** 2
_RED, _GREEN, _BLUE = 77, 150, 29
"""Of 256: ITU-R BT.601, the luma that JPEG, WebP and AVIF encode."""


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (height, width) of a picture of one or three bands."""
    wide = rgb.reshape(*rgb.shape[:2], -1)
    if wide.shape[2] == 1:
        return wide[..., 0].astype(np.float32)
    red, green, blue = (wide[..., band].astype(np.float32) for band in range(3))
    return np.asarray((_RED * red + _GREEN * green + _BLUE * blue) / 256, dtype=np.float32)


def ssim(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the mean over all windows, 1.0 for equal pictures; edges are repeated up to whole windows."""
    one, other = _whole(one), _whole(other)
    sum_1, sum_2 = _windows(one), _windows(other)
    squares, products = _windows(one * one + other * other), _windows(one * other)
    mean_1, mean_2 = sum_1 / _PIXELS, sum_2 / _PIXELS
    spread = squares / _PIXELS - mean_1**2 - mean_2**2
    together = products / _PIXELS - mean_1 * mean_2
    likeness = ((2 * mean_1 * mean_2 + _C1) * (2 * together + _C2)) / ((mean_1**2 + mean_2**2 + _C1) * (spread + _C2))
    return float(likeness.mean())


def _whole(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (max(side, 2 * _STEP) for side in plane.shape)
    missing = [(0, -(-side // _STEP) * _STEP - has) for side, has in zip((height, width), plane.shape, strict=True)]
    return np.pad(plane, missing, mode="edge") if any(after for _, after in missing) else plane


def _windows(plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up 4x4 blocks, then four neighbours each: windows of 8x8. Rows first, because they lie together."""
    rows = plane.reshape(-1, _STEP, plane.shape[1]).sum(axis=1, dtype=np.float64)
    blocks = rows[:, 0::_STEP] + rows[:, 1::_STEP] + rows[:, 2::_STEP] + rows[:, 3::_STEP]
    return np.asarray(blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:])
