"""Make every variant of a recipe from one decode: carry out what ``processors.plan`` decided, and nothing else.

Runs only in render processes (and tests): it loads libvips. One image at a time; no state is left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from processors.colour import dominant_colour
from processors.encode import encode
from processors.finish import finished
from processors.geometry import Search
from processors.look import found, without_border
from processors.phash import perceptual_hash
from processors.plan import Conversion, Decode, Level, Output, Plan, make_plan
from processors.ports import Rendered, RenderedVariant
from processors.thumbhash import thumbhash
from processors.vips import Image, decoding, encoding, open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from processors.facts import Facts
    from processors.geometry import Crop, Size
    from processors.quality import Encoded
    from processors.recipe import Recipe
    from schemas.events import Attributes

_FIRST_TRANSPOSED: Final = 5
"""EXIF orientations from here on exchange width and height."""
_OPAQUE: Final = 255


def render(data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
    """Return the variants in the recipe's order; raise `Permanent` (UNDECODABLE, TRUNCATED) if pixels can't be read."""
    plan = make_plan(facts, recipe, attributes)
    with decoding(data, plan.decode.source):
        decoded = _decoded(data, plan.decode)
        if plan.decode.trim is not None:
            kept = without_border(decoded, plan.decode.orientation, plan.decode.trim)
            plan = make_plan(facts, recipe, attributes, kept)
        levels = _levels(decoded, plan)
    smallest = levels[-1]
    if plan.levels[-1].kept:
        smallest = _converted(smallest, Conversion.PROFILE)
    summary = _summary(smallest, plan.summary)
    return Rendered(_variants(plan, levels), thumbhash(summary), dominant_colour(summary), perceptual_hash(summary))


def _levels(decoded: Image, plan: Plan) -> list[Image]:
    """Make all levels, each whole in memory: a sequential image can be read only once."""
    made: list[Image] = []
    for level in plan.levels:
        if level.source is None:
            made.append(_root(decoded, level, plan.decode))
        else:
            made.append(_resized(made[level.source], level.size).copy_memory())
    return made


def _decoded(data: bytes, decode: Decode) -> Image:
    options: dict[str, float] = {}
    if decode.shrink > 1:
        options = {"scale": 1 / decode.shrink} if decode.source == "webp" else {"shrink": decode.shrink}
    image = open_image(data, decode.source, **options)
    return image.copy_memory() if decode.keep else image


def _root(decoded: Image, level: Level, decode: Decode) -> Image:
    """Resize as stored, then convert colours and turn upright: both cost less on fewer pixels."""
    size = level.size
    transposed = decode.orientation >= _FIRST_TRANSPOSED
    width, height = (size.height, size.width) if transposed else (size.width, size.height)
    conversion = Conversion.SPACE if level.kept else decode.conversion
    image = _converted(_to(decoded, width, height), conversion).copy_memory()
    return image if decode.orientation == 1 else image.autorot().copy_memory()


def _resized(image: Image, size: Size) -> Image:
    return _to(image, size.width, size.height)


def _to(image: Image, width: int, height: int) -> Image:
    """Resize to exactly this size; transparent pixels must not bleed their colour into others.

    Rounding before each cast matters: casts cut off, which would darken every level by more than a step.
    """
    if (image.width, image.height) == (width, height):
        return image
    across, down = width / image.width, height / image.height
    if not image.hasalpha():
        return image.resize(across, vscale=down)
    premultiplied = image.premultiply().rint().cast(image.format)
    return premultiplied.resize(across, vscale=down).unpremultiply().rint().cast(image.format)


def _converted(image: Image, conversion: Conversion) -> Image:
    """Bring the colours to 8 bits of sRGB, or of grey."""
    if conversion is Conversion.NONE:
        return image
    grey = image.interpretation in {"b-w", "grey16"}
    if conversion is Conversion.PROFILE:
        fallback = "cmyk" if image.interpretation == "cmyk" else "srgb"
        return image.icc_transform("srgb", embedded=True, input_profile=fallback, intent="perceptual", depth=8)
    return image.colourspace("b-w" if grey else "srgb")


def _variants(plan: Plan, levels: list[Image]) -> tuple[RenderedVariant, ...]:
    encoded: dict[str, Encoded] = {}
    for output in plan.outputs:
        name = output.spec.name
        encoded[name] = encoded[output.same_as] if output.same_as else _encoded(output, plan, levels)
    return tuple(_variant(output, encoded[output.spec.name]) for output in plan.outputs)


def _encoded(output: Output, plan: Plan, levels: list[Image]) -> Encoded:
    with encoding(output.spec.name):
        picture = finished(levels[output.level], output, _crop(output, plan, levels))
        return encode(picture, output.spec, profile=plan.levels[output.level].kept)


def _crop(output: Output, plan: Plan, levels: list[Image]) -> Crop | None:
    if isinstance(output.crop, Search):
        return found(output.crop, levels[output.level], levels[plan.search or 0])
    return output.crop


def _variant(output: Output, made: Encoded) -> RenderedVariant:
    kind, size = output.spec.format, output.size
    return RenderedVariant(
        output.spec.name,
        made.data,
        kind.content_type,
        kind.extension,
        size.width,
        size.height,
        made.quality,
        made.missed,
    )


def _summary(smallest: Image, size: Size) -> NDArray[np.uint8]:
    """Return the image as (height, width, 4): few pixels, sRGB, straight alpha."""
    image = _resized(smallest, size)
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    if not image.hasalpha():
        image = image.bandjoin(_OPAQUE)
    return np.asarray(image.cast("uchar").numpy(), dtype=np.uint8)
