"""Levels: the whole picture at each size that a plan names, upright, in 8-bit sRGB or grey.

Runs only in render processes (and tests): it loads libvips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors.steps import Conversion

if TYPE_CHECKING:
    from processors.geometry import Size
    from processors.steps import Decode, Level, Plan
    from processors.vips import Image

_FIRST_TRANSPOSED: Final = 5
"""EXIF orientations from here on exchange width and height."""
_BEST: Final = "lanczos3"
_CHEAP: Final = "cubic"
"""For the first reduction, which reads the most pixels: a tenth less work for all levels of a ladder and 0.001 of SSIM
on the top one. Lower levels would lose three times as much by it, and save nothing."""
_ENOUGH: Final = 1.5
"""Below this ratio the kernel shows."""


def make_levels(decoded: Image, plan: Plan) -> list[Image]:
    """Make all levels, each whole in memory: a sequential image can be read only once."""
    made: list[Image] = []
    for level in plan.levels:
        if level.source is None:
            made.append(_root(decoded, level, plan.decode))
        else:
            made.append(resized(made[level.source], level.size).copy_memory())
    return made


def _root(decoded: Image, level: Level, decode: Decode) -> Image:
    """Resize as stored, then convert colours and turn upright: both cost less on fewer pixels."""
    size = level.size
    transposed = decode.orientation >= _FIRST_TRANSPOSED
    width, height = (size.height, size.width) if transposed else (size.width, size.height)
    conversion = Conversion.SPACE if level.kept else decode.conversion
    kernel = _CHEAP if decoded.width >= _ENOUGH * width else _BEST
    image = converted(_to(decoded, width, height, kernel), conversion).copy_memory()
    return image if decode.orientation == 1 else image.autorot().copy_memory()


def resized(image: Image, size: Size) -> Image:
    """Return it at exactly this size."""
    return _to(image, size.width, size.height)


def _to(image: Image, width: int, height: int, kernel: str = _BEST) -> Image:
    """Resize to exactly this size; transparent pixels must not bleed their colour into others.

    Rounding before each cast matters: casts cut off, which would darken every level by more than a step.
    """
    if (image.width, image.height) == (width, height):
        return image
    across, down = width / image.width, height / image.height
    if not image.hasalpha():
        return image.resize(across, vscale=down, kernel=kernel)
    premultiplied = image.premultiply().rint().cast(image.format)
    return premultiplied.resize(across, vscale=down, kernel=kernel).unpremultiply().rint().cast(image.format)


def converted(image: Image, conversion: Conversion) -> Image:
    """Bring the colours to 8 bits of sRGB, or of grey."""
    if conversion is Conversion.NONE:
        return image
    grey = image.interpretation in {"b-w", "grey16"}
    if conversion is Conversion.PROFILE:
        fallback = "cmyk" if image.interpretation == "cmyk" else "srgb"
        return image.icc_transform("srgb", embedded=True, input_profile=fallback, intent="perceptual", depth=8)
    return image.colourspace("b-w" if grey else "srgb")
