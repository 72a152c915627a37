"""Decide how an image's variants come about, before any pixel is touched: a pure, printable value.

One decode feeds everything. The rules, and what they were measured to cost in SSIM against a resize from a full decode
of a 12-megapixel photograph:

- Shrink-on-load (JPEG's DCT, WebP's scaler) is taken as far as it leaves `MARGIN` times the largest level: 0.998.
  Closer than that it shows (1.04x: 0.990).
- A level is fed by the smallest level that is `MARGIN` times as large: 0.999. It costs a fraction of a resize from the
  decode, and loses less than the box filter that such a resize begins with at larger factors.
- Equal sizes are resized once; equal sizes, crops and encodings are encoded once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from processors.conditions import chosen
from processors.facts import Facts, SourceFormat
from processors.geometry import Search, Size
from processors.layout import lay_out
from processors.recipe import Fit, Gravity, Profile, Recipe, VariantSpec
from processors.steps import Conversion, Decode, Level, Output, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from processors.geometry import Crop
    from processors.layout import Layout
    from schemas.events import Attributes

__all__ = ["MARGIN", "SEARCH_SIDE", "SUMMARY_SIDE", "Conversion", "Decode", "Level", "Output", "Plan", "make_plan"]

MARGIN: Final = 1.5
"""How many times as large as what it feeds an image has to be, in both directions."""
SUMMARY_SIDE: Final = 100
"""Pixels: the most that a thumbhash takes."""
SEARCH_SIDE: Final = 200
"""Pixels: below it, what attracts the eye can't be told from what does not. libvips itself looks at 32."""
_SHRINKS: Final = {SourceFormat.JPEG: (8, 4, 2), SourceFormat.WEBP: (8, 4, 2)}


def make_plan(facts: Facts, recipe: Recipe, attributes: Attributes, kept: Crop | None = None) -> Plan:
    """Plan every variant of the recipe for a source of which the header is known.

    ``kept`` is what trimming leaves of the upright image. It is known only after the decode, so the decode does not
    depend on it: planning again with it changes what comes after.
    """
    source = Size(facts.width, facts.height)
    recipe = chosen(recipe, facts)
    layouts = {
        spec.name: lay_out(source, spec, attributes.focus, kept if spec.trim is not None else None)
        for spec in recipe.variants
    }
    keeps = facts.has_profile and facts.colour_space in {"srgb", "rgb16"}
    wanted = {spec.name: (layouts[spec.name].level, keeps and spec.profile is Profile.KEEP) for spec in recipe.variants}
    levels = _levels(sorted(set(wanted.values()), key=lambda one: (-one[0].area, one[0].width, one[1])))
    places = {(level.size, level.kept): index for index, level in enumerate(levels)}
    outputs = _outputs(source, recipe, layouts, {name: places[one] for name, one in wanted.items()})
    searched = any(isinstance(output.crop, Search) for output in outputs)
    return Plan(
        recipe.name,
        _decode(facts, recipe, levels),
        levels,
        _summary(levels[-1].size),
        _search_level(levels) if searched else None,
        outputs,
    )


def _decode(facts: Facts, recipe: Recipe, levels: Sequence[Level]) -> Decode:
    """Plan the decode: at full size where a border is looked for, which must be cut off to the pixel."""
    trim = max((spec.trim for spec in recipe.variants if spec.trim is not None), default=None)
    shrink = 1 if recipe.trims else _shrink(facts, [level.size for level in levels])
    size = Size(-(-facts.width // shrink), -(-facts.height // shrink))
    roots = sum(level.source is None for level in levels)
    keep = roots > 1 or recipe.trims
    return Decode(facts.format, shrink, size, facts.orientation, _conversion(facts), keep, trim)


def _search_level(levels: Sequence[Level]) -> int:
    """Take the smallest level that still shows what there is to see."""
    clear = [index for index, level in enumerate(levels) if max(level.size.width, level.size.height) >= SEARCH_SIDE]
    return clear[-1] if clear else 0


def _shrink(facts: Facts, wanted: Iterable[Size]) -> int:
    """Return the furthest shrink-on-load that leaves the margin; none for animations, whose frames have offsets."""
    if facts.frames > 1 or not facts.shrinks:
        return 1
    source = Size(facts.width, facts.height)
    steps = (
        step
        for step in _SHRINKS.get(facts.format, ())
        if all(_feeds(Size(source.width // step, source.height // step), size) for size in wanted)
    )
    return next(steps, 1)


def _feeds(larger: Size, smaller: Size) -> bool:
    """Whether ``larger`` has the margin over ``smaller``, but for the pixel that rounding may have taken."""
    return larger.width + 1 >= MARGIN * smaller.width and larger.height + 1 >= MARGIN * smaller.height


def _levels(wanted: Sequence[tuple[Size, bool]]) -> tuple[Level, ...]:
    """Feed each by the smallest one before it that is large enough and of its colours; they go from large to small."""
    levels: list[Level] = []
    for size, kept in wanted:
        feeders = [index for index, one in enumerate(levels) if one.kept == kept and _feeds(one.size, size)]
        levels.append(Level(size, feeders[-1] if feeders else None, kept))
    return tuple(levels)


def _conversion(facts: Facts) -> Conversion:
    if facts.has_profile or facts.colour_space == "cmyk":
        return Conversion.PROFILE
    return Conversion.NONE if facts.colour_space in {"srgb", "b-w"} and facts.bits == 8 else Conversion.SPACE  # noqa: PLR2004


def _summary(smallest: Size) -> Size:
    """Fit the smallest level into what a thumbhash takes."""
    longer = max(smallest.width, smallest.height, SUMMARY_SIDE)
    return Size(
        max(1, (2 * smallest.width * SUMMARY_SIDE + longer) // (2 * longer)),
        max(1, (2 * smallest.height * SUMMARY_SIDE + longer) // (2 * longer)),
    )


def _outputs(
    source: Size, recipe: Recipe, layouts: Mapping[str, Layout], places: Mapping[str, int]
) -> tuple[Output, ...]:
    outputs, first = list[Output](), dict[object, str]()
    for spec in recipe.variants:
        layout, level = layouts[spec.name], places[spec.name]
        twin = first.setdefault((level, layout.crop, layout.canvas, _finish(spec)), spec.name)
        same = None if twin == spec.name else twin
        smaller = layout.level.area < source.area
        outputs.append(Output(spec, level, layout.crop, layout.canvas, layout.size, smaller, same))
    return tuple(outputs)


def _finish(spec: VariantSpec) -> VariantSpec:
    """Keep only what still matters once the picture is there."""
    return replace(
        spec,
        name="any",
        width=None,
        height=None,
        fit=Fit.FIT,
        gravity=Gravity.CENTER,
        upscale=False,
        crop=None,
        trim=None,
        min_width=None,
        min_height=None,
        max_pixels=None,
        profile=Profile.SRGB,
        when=None,
    )
