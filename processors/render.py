"""Make every variant of a recipe from one decode: carry out what ``processors.plan`` decided, and nothing else.

Runs only in render processes (and tests): it loads libvips. One image at a time; no state is left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from processors.colour import dominant_colour
from processors.conditions import chosen
from processors.encode import encode
from processors.levels import converted, make_levels, resized
from processors.look import without_border
from processors.motion import moving
from processors.phash import perceptual_hash
from processors.picture import crop_of, picture_of
from processors.plan import Conversion, Decode, Output, Plan, make_plan
from processors.ports import Rendered, RenderedVariant
from processors.thumbhash import thumbhash
from processors.vips import Image, decoding, encoding, open_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from processors.facts import Facts
    from processors.geometry import Size
    from processors.quality import Encoded
    from processors.recipe import Recipe
    from schemas.events import Attributes

_OPAQUE: Final = 255


def render(data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
    """Return the variants in the recipe's order; raise `Permanent` (UNDECODABLE, TRUNCATED) if pixels can't be read."""
    plan, kept = make_plan(facts, recipe, attributes), None
    with decoding(data, plan.decode.source):
        decoded = _decoded(data, plan.decode)
        if plan.decode.trim is not None:
            kept = without_border(decoded, plan.decode.orientation, plan.decode.trim)
            plan = make_plan(facts, recipe, attributes, kept)
        levels = make_levels(decoded, plan)
        moved = moving(data, facts, chosen(recipe, facts), attributes, kept)
    smallest = levels[-1]
    if plan.levels[-1].kept:
        smallest = converted(smallest, Conversion.PROFILE)
    summary = _summary(smallest, plan.summary)
    variants = _variants(plan, levels, moved)
    return Rendered(variants, thumbhash(summary), dominant_colour(summary), perceptual_hash(summary))


def _decoded(data: bytes, decode: Decode) -> Image:
    options: dict[str, float] = {}
    if decode.shrink > 1:
        options = {"scale": 1 / decode.shrink} if decode.source == "webp" else {"shrink": decode.shrink}
    image = open_image(data, decode.source, **options)
    return image.copy_memory() if decode.keep else image


def _variants(plan: Plan, levels: list[Image], moved: Mapping[str, Encoded]) -> tuple[RenderedVariant, ...]:
    encoded = dict(moved)
    for output in plan.outputs:
        name = output.spec.name
        if output.same_as is not None:
            encoded[name] = encoded[output.same_as]
        elif name not in encoded:
            encoded[name] = _encoded(output, plan, levels)
    return tuple(_variant(output, encoded[output.spec.name]) for output in plan.outputs)


def _encoded(output: Output, plan: Plan, levels: list[Image]) -> Encoded:
    with encoding(output.spec.name):
        picture = picture_of(output, levels, crop_of(output, plan, levels))
        return encode(picture, output.spec, profile=plan.levels[output.level].kept)


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
    image = resized(smallest, size)
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    if not image.hasalpha():
        image = image.bandjoin(_OPAQUE)
    return np.asarray(image.cast("uchar").numpy(), dtype=np.uint8)
