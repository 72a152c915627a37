"""ThumbHash: a blurred likeness of an image in some 25 bytes, for a page to show until the image is there.

Written from the published algorithm (https://evanw.github.io/thumbhash/): the low frequencies of luminance, two colour
differences and, where there is transparency, alpha, each quantised to four bits. The cosine transform is two matrix
products, which takes a fraction of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_SIDE: Final = 100
"""Pixels; larger images are refused, since more of them would not change the hash."""

_NOISE: Final = 1e-9
"""Below it a frequency is rounding error, which differs between machines; blowing it up would get it into the hash."""
_DECIMALS: Final = 6
"""Frequencies are rounded to these before they are quantised: symmetric images sit exactly between two steps."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Channel:
    """The frequencies of one channel: constant part, the others as 0 to 1 around 0.5, and what they were scaled by."""

    constant: float
    others: _Floats
    scale: float


def thumbhash(rgba: NDArray[np.uint8]) -> bytes:
    """Return the hash of an image of shape (height, width, 4), straight alpha, at most 100 pixels a side."""
    height, width = rgba.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise ValueError(f"{width}x{height} is larger than {MAX_SIDE}x{MAX_SIDE}")
    colours, alpha = _over_average(rgba)
    has_alpha = bool(alpha.sum() < width * height)
    limit = 5 if has_alpha else 7
    longer = max(width, height)
    across, down = max(1, _round(limit * width / longer)), max(1, _round(limit * height / longer))
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    light = _encode((red + green + blue) / 3, max(3, across), max(3, down))
    yellow_blue = _encode((red + green) / 2 - blue, 3, 3)
    red_green = _encode(red - green, 3, 3)
    landscape = width > height
    head24 = (
        _round(63 * light.constant)
        | _round(31.5 + 31.5 * yellow_blue.constant) << 6
        | _round(31.5 + 31.5 * red_green.constant) << 12
        | _round(31 * light.scale) << 18
        | has_alpha << 23
    )
    head16 = (
        (down if landscape else across)
        | _round(63 * yellow_blue.scale) << 3
        | _round(63 * red_green.scale) << 9
        | landscape << 15
    )
    head: bytes = head24.to_bytes(3, "little") + head16.to_bytes(2, "little")
    channels = [light, yellow_blue, red_green]
    if has_alpha:
        transparency = _encode(alpha, 5, 5)
        head += bytes([_round(15 * transparency.constant) | _round(15 * transparency.scale) << 4])
        channels.append(transparency)
    return head + _nibbles(np.concatenate([channel.others for channel in channels]))


def _over_average(rgba: NDArray[np.uint8]) -> tuple[_Floats, _Floats]:
    """Lay the image over its own average colour; return colours and alpha, 0 to 1."""
    pixels = rgba.astype(np.float64) / 255
    alpha = pixels[..., 3]
    weight = alpha.sum()
    average = (pixels[..., :3] * alpha[..., None]).sum(axis=(0, 1)) / weight if weight else np.zeros(3)
    return average * (1 - alpha[..., None]) + pixels[..., :3] * alpha[..., None], alpha


def _encode(channel: _Floats, across: int, down: int) -> _Channel:
    """Take the frequencies of the triangle under the diagonal from (across, 0) to (0, down)."""
    height, width = channel.shape
    frequencies = _cosines(down, height) @ channel @ _cosines(across, width).T / (width * height)
    others = np.array(
        [frequencies[y, x] for y in range(down) for x in range(across) if (x or y) and x * down < across * (down - y)]
    )
    scale = float(np.abs(others).max(initial=0.0))
    if scale < _NOISE:
        return _Channel(float(frequencies[0, 0]), np.zeros_like(others), 0.0)
    others = 0.5 + 0.5 / scale * others
    return _Channel(float(frequencies[0, 0]), others, scale)


def _cosines(count: int, length: int) -> _Floats:
    """Return the first ``count`` cosines over ``length`` samples, a row each."""
    return np.asarray(np.cos(np.pi / length * np.outer(np.arange(count), np.arange(length) + 0.5)))


def _round(value: float) -> int:
    """Round halves up, as the published code's language does."""
    return int(np.floor(value + 0.5))


def _nibbles(values: _Floats) -> bytes:
    """Pack values from 0 to 1 into four bits each, the first one low."""
    quantised = np.floor(np.round(15 * values, _DECIMALS) + 0.5).astype(np.uint8)
    if len(quantised) % 2:
        quantised = np.append(quantised, np.uint8(0))
    return bytes(bytearray(quantised[0::2] | quantised[1::2] << 4))
