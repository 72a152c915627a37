"""What happens to a level on its way to one variant, before it is encoded: a list of steps, in their order.

Runs only in render processes (and tests): it loads libvips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyvips

from processors.recipe import Flip, VariantSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.geometry import Crop
    from processors.layout import Canvas
    from processors.steps import Output
    from processors.vips import Image

_WHITE: Final = "#ffffff"
_OPAQUE: Final = 255
_GREY_AND_ALPHA: Final = 2
_TAIL: Final = 0.01
"""Where a Gaussian is cut off; libvips' own 0.2 makes it nearly a box."""
_SIXTEENTHS: Final = 16
"""The weights of the smallest Gaussian, 1 2 1 by 1 2 1, add up to this."""


def finished(level: Image, output: Output, crop: Crop | None) -> Image:
    """Return the variant's picture: cropped, turned, on its background and its canvas."""
    spec = output.spec
    image = _cut(level, crop)
    image = _turned(image, spec)
    image = _blurred(image, spec)
    image = _sharpened(image, spec) if output.smaller else image
    image = _grey(image, spec)
    image = _flattened(image, spec)
    return _on_canvas(image, output.canvas, spec)


def _cut(image: Image, crop: Crop | None) -> Image:
    return image.crop(crop.left, crop.top, crop.size.width, crop.size.height) if crop else image


def _turned(image: Image, spec: VariantSpec) -> Image:
    if spec.rotate:
        image = image.rot(f"d{spec.rotate}")
    return image if spec.flip is Flip.NONE else image.flip(spec.flip.value)


def _blurred(image: Image, spec: VariantSpec) -> Image:
    """Blur in floats: whole-numbered taps would brighten the picture by a step or two."""
    if not spec.blur:
        return image
    return _with_opacity(
        image, lambda one: one.gaussblur(spec.blur, min_ampl=_TAIL, precision="float").rint().cast(image.format)
    )


def _sharpened(image: Image, spec: VariantSpec) -> Image:
    """Add a share of the difference to a slight blur: one pass of nine taps, a fiftieth of libvips' own sharpen."""
    if not spec.sharpen:
        return image
    share = round(spec.sharpen * _SIXTEENTHS)
    mask = [[-share * a * b for a in (1, 2, 1)] for b in (1, 2, 1)]
    mask[1][1] += _SIXTEENTHS * (_SIXTEENTHS + share)
    kernel = pyvips.Image.new_from_array(mask, scale=_SIXTEENTHS * _SIXTEENTHS)
    return _with_opacity(image, lambda one: one.conv(kernel, precision="integer"))


def _with_opacity(image: Image, change: Callable[[Image], Image]) -> Image:
    """Change a picture so that transparent pixels do not bleed their colour into others."""
    if not image.hasalpha():
        return change(image)
    whole = image.format
    return change(image.premultiply().rint().cast(whole)).unpremultiply().rint().cast(whole)


def _grey(image: Image, spec: VariantSpec) -> Image:
    return image.colourspace("b-w") if spec.grey and image.interpretation != "b-w" else image


def _flattened(image: Image, spec: VariantSpec) -> Image:
    """Lay a transparent image on the background, where one is asked for or the format can't do without."""
    if not image.hasalpha() or (spec.background is None and spec.format.has_alpha):
        return image
    if image.bands == _GREY_AND_ALPHA:  # the background may have a colour
        image = image.colourspace("srgb")
    return image.flatten(background=_rgb(spec.background or _WHITE))


def _on_canvas(image: Image, canvas: Canvas | None, spec: VariantSpec) -> Image:
    """Put background around the picture, or transparency where the format has it and no background was asked for."""
    if canvas is None:
        return image
    if image.interpretation == "b-w":
        image = image.colourspace("srgb")
    if spec.background is None and spec.format.has_alpha:
        image = image if image.hasalpha() else image.bandjoin(_OPAQUE)
        around = [0, 0, 0, 0]
    else:
        around = _rgb(spec.background or _WHITE)
    size = canvas.size
    return image.embed(canvas.left, canvas.top, size.width, size.height, extend="background", background=around)


def _rgb(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
