"""Four photograph-like pictures for the demo, drawn with NumPy and libvips: no picture has to be shipped.

Each is drawn at a quarter of its size, enlarged, and given film grain, so that it decodes and compresses like a
photograph of 12 megapixels. Runs in processes of its own: libvips stays out of the process that talks to Kafka.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvips

if TYPE_CHECKING:
    from collections.abc import Callable

SCALE = 4
GRAIN = 5.0
"""Standard deviation of the film grain, in steps of 255."""
LIT = 0.42
"""Share of the windows behind which there is light."""
Pixels = np.ndarray[Any, np.dtype[np.float32]]
Rgb = tuple[float, float, float]
BOKEH: tuple[Rgb, ...] = ((255, 196, 94), (244, 118, 96), (130, 214, 190), (250, 236, 180), (206, 110, 190))


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: its name, its size before enlarging, and how it is drawn."""

    name: str
    width: int
    height: int
    draw: Callable[[int, int, np.random.Generator], Pixels]


def write(index: int, folder: str) -> str:
    """Draw one sample and return its path; callable by name from a spawned process."""
    sample = SAMPLES[index]
    pixels = sample.draw(sample.width, sample.height, np.random.default_rng(index + 7))
    small = pyvips.Image.new_from_array(np.ascontiguousarray(pixels.clip(0, 255).astype(np.uint8)))
    large = small.resize(SCALE, kernel="cubic")
    grain = pyvips.Image.gaussnoise(large.width, large.height, sigma=GRAIN, mean=0)
    path = Path(folder) / f"{sample.name}.jpg"
    (large + grain).cast("uchar").copy(interpretation="srgb").jpegsave(str(path), Q=88)
    return str(path)


def _colour(*rgb: float) -> Pixels:
    return np.asarray(rgb, np.float32)


def _mix(low: Rgb, high: Rgb, share: Pixels) -> Pixels:
    """Blend two colours by a map of 0 to 1."""
    amount = share[..., None]
    blend: Pixels = _colour(*low) * (1 - amount) + _colour(*high) * amount
    return blend


def _field(width: int, height: int, cell: int, rng: np.random.Generator, octaves: int = 4) -> Pixels:
    """Return fractal noise of 0 to 1."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        seed = int(rng.integers(1 << 30))
        noise = pyvips.Image.perlin(width, height, cell_size=max(2, cell >> octave), seed=seed).numpy()
        total += noise.astype(np.float32) / 2**octave
    low, high = float(total.min()), float(total.max())
    scaled: Pixels = (total - low) / (high - low)
    return scaled


def _mountains(width: int, height: int, rng: np.random.Generator) -> Pixels:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = _mix((28, 34, 84), (255, 158, 92), (y / height * 1.45).clip(0, 1) ** 1.3)
    distance = np.hypot(x - width * 0.66, y - height * 0.5)
    picture += _mix((0, 0, 0), (255, 190, 110), np.exp(-distance / (height * 0.17)))
    picture = np.where((distance < height * 0.055)[..., None], _colour(255, 240, 205), picture)
    picture += (_field(width, height, 220, rng) - 0.5)[..., None] * 26
    for layer in range(5):
        ridge = _field(width, 3, 260 >> (layer // 2), rng, octaves=6)[1]
        line = height * (0.50 + 0.1 * layer) - ridge * height * (0.24 - 0.025 * layer)
        haze = layer / 4
        colour = _colour(128, 84, 110) * (1 - haze) + _colour(14, 17, 34) * haze
        shade = (_field(width, height, 40, rng, 3) - 0.5)[..., None] * 22
        edge = (y - line[None, :]).clip(0, 1)[..., None]
        picture = picture * (1 - edge) + (colour + shade) * edge
    return picture


def _dunes(width: int, height: int, rng: np.random.Generator) -> Pixels:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    relief = (
        _field(width, height, 300, rng, 3) * 150
        + np.sin((x + y * 1.9) / 5 + _field(width, height, 120, rng) * 34) * 1.6
    )
    dy, dx = np.gradient(relief)
    light = (0.52 + dx * 0.55 - dy * 0.38).clip(0, 1)
    sand = _mix((92, 42, 30), (250, 196, 128), light)
    horizon = height * 0.24 + np.sin(x / width * 5) * height * 0.03
    sky = _mix((70, 132, 190), (232, 214, 190), (y / (height * 0.27)).clip(0, 1))
    ground = (y - horizon).clip(0, 1)[..., None]
    picture: Pixels = sky * (1 - ground) + sand * ground
    return picture


def _skyline(width: int, height: int, rng: np.random.Generator) -> Pixels:
    y, _ = np.mgrid[0:height, 0:width].astype(np.float32)
    water = int(height * 0.72)
    picture = _mix((10, 12, 38), (120, 62, 96), (y / water).clip(0, 1) ** 2)
    picture += (_field(width, height, 180, rng)[..., None] - 0.5) * 30
    for depth in range(3):
        left = 0
        while left < width:
            wide, tall = int(rng.integers(34, 90)), int(rng.integers(90, 330) * (0.6 + depth * 0.2))
            tower = picture[water - tall : water, left : left + wide]
            tower[:] = _colour(34, 30, 56) - depth * 9
            _windows(tower, rng)
            left += wide + int(rng.integers(2, 16))
    mirror = picture[2 * water - height : water][::-1] * 0.55 + _colour(6, 10, 26)
    ripple = (_field(width, height - water, 30, rng) * 16).astype(int)
    rows, columns = np.mgrid[0 : height - water, 0:width]
    picture[water:] = mirror[rows, (columns + ripple) % width]
    return picture


def _windows(tower: Pixels, rng: np.random.Generator) -> None:
    """Light some windows of a tower, warm ones mostly."""
    height, width = tower.shape[:2]
    for row in range(6, height - 6, 9):
        for column in range(4, width - 5, 8):
            if rng.random() < LIT:
                light = _colour(150, 200, 255) if rng.random() < LIT / 2 else _colour(255, 206, 128)
                tower[row : row + 5, column : column + 4] = light * float(rng.uniform(0.45, 1))


def _bokeh(width: int, height: int, rng: np.random.Generator) -> Pixels:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = _mix((16, 30, 34), (46, 92, 66), _field(width, height, 240, rng))
    for _ in range(70):
        centre_x, centre_y = rng.uniform(0, width), rng.uniform(0, height)
        radius = rng.uniform(16, 74)
        disc = ((radius - np.hypot(x - centre_x, y - centre_y)) / (radius * 0.09)).clip(0, 1)
        rim = 0.75 + 0.25 * (np.hypot(x - centre_x, y - centre_y) / radius).clip(0, 1) ** 6
        picture += (disc * rim * rng.uniform(0.14, 0.5))[..., None] * _colour(*BOKEH[int(rng.integers(len(BOKEH)))])
    vignette = 1 - 0.5 * (np.hypot(x / width - 0.5, y / height - 0.5) / 0.71) ** 2
    picture *= vignette[..., None]
    return picture


SAMPLES = (
    Sample("mountains", 1000, 750, _mountains),
    Sample("dunes", 1000, 750, _dunes),
    Sample("skyline", 1000, 750, _skyline),
    Sample("bokeh", 750, 1000, _bokeh),
)
