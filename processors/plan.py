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

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from processors.facts import Facts, SourceFormat
from processors.geometry import Crop, Size, cropped, resized
from processors.recipe import Fit, Gravity, Recipe, VariantSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.events import Attributes

MARGIN: Final = 1.5
"""How many times as large as what it feeds an image has to be, in both directions."""
SUMMARY_SIDE: Final = 100
"""Pixels: the most that a thumbhash takes."""
_SHRINKS: Final = {SourceFormat.JPEG: (8, 4, 2), SourceFormat.WEBP: (8, 4, 2)}


class Conversion(StrEnum):
    """What brings the decoded colours to 8-bit sRGB or grey."""

    NONE = "none: they are sRGB or grey already"
    SPACE = "colour space to 8-bit sRGB or grey"
    PROFILE = "ICC profile to sRGB"


@dataclass(frozen=True, slots=True)
class Decode:
    """The one decode."""

    source: SourceFormat
    shrink: int
    """The loader's own reduction: 1, 2, 4 or 8."""
    size: Size
    """After orientation; what the loader makes may be a pixel off."""
    orientation: int
    conversion: Conversion
    keep: bool
    """Whether the pixels are held whole in memory: only where more than one level is made of them."""


@dataclass(frozen=True, slots=True)
class Level:
    """The whole image at one size, after orientation, in sRGB or grey."""

    size: Size
    source: int | None
    """Index of the level that it is made of; None: of the decode."""


@dataclass(frozen=True, slots=True)
class Output:
    """One variant."""

    spec: VariantSpec
    level: int
    crop: Crop | None
    same_as: str | None
    """Name of an earlier variant that has the very same bytes."""

    def size_of(self, levels: Sequence[Level]) -> Size:
        """Return the variant's width and height."""
        return self.crop.size if self.crop else levels[self.level].size


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will be done, in order: decode, levels from large to small, summary, outputs."""

    recipe: str
    decode: Decode
    levels: tuple[Level, ...]
    summary: Size
    """What thumbhash and dominant colour are taken from, made of the last level."""
    outputs: tuple[Output, ...]

    def describe(self) -> str:
        """Return it as text for people, a line a step."""
        decode = self.decode
        shrink = f" at 1/{decode.shrink}" if decode.shrink > 1 else ""
        lines = [
            f"recipe   {self.recipe}",
            f"decode   {decode.source}{shrink} to {decode.size}, orientation {decode.orientation}"
            + (", kept in memory" if decode.keep else ", streamed"),
            f"colours  {decode.conversion}",
        ]
        for index, level in enumerate(self.levels):
            feeder = decode.size if level.source is None else self.levels[level.source].size
            name = "the decode" if level.source is None else f"level {level.source}"
            lines.append(f"level {index}  {level.size} from {name} ({feeder.width / level.size.width:.2f}x)")
        lines.append(f"summary  {self.summary} from level {len(self.levels) - 1}")
        lines += [f"variant  {self._describe(output)}" for output in self.outputs]
        return "\n".join(lines)

    def _describe(self, output: Output) -> str:
        spec = output.spec
        if output.same_as:
            return f"{spec.name}: the bytes of {output.same_as}"
        quality = "lossless" if spec.quality is None else f"quality {spec.quality}"
        crop = f", cropped to {output.crop}" if output.crop else ""
        return f"{spec.name}: level {output.level}{crop}, {spec.format} {quality} effort {spec.effort}"


def make_plan(facts: Facts, recipe: Recipe, attributes: Attributes) -> Plan:
    """Plan every variant of the recipe for a source of which the header is known."""
    source = Size(facts.width, facts.height)
    sizes = {variant.name: resized(source, variant) for variant in recipe.variants}
    wanted = sorted(set(sizes.values()), key=lambda size: (-size.area, size.width))
    shrink = _shrink(facts, wanted)
    decoded = Size(-(-source.width // shrink), -(-source.height // shrink))
    levels = _levels(wanted)
    roots = sum(level.source is None for level in levels)
    decode = Decode(facts.format, shrink, decoded, facts.orientation, _conversion(facts), keep=roots > 1)
    places = {level.size: index for index, level in enumerate(levels)}
    outputs = _outputs(recipe, {name: places[size] for name, size in sizes.items()}, levels, attributes)
    return Plan(recipe.name, decode, levels, _summary(levels[-1].size), outputs)


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


def _levels(wanted: Sequence[Size]) -> tuple[Level, ...]:
    """Feed each size by the smallest one before it that is large enough; ``wanted`` goes from large to small."""
    levels: list[Level] = []
    for size in wanted:
        feeders = [index for index, level in enumerate(levels) if _feeds(level.size, size)]
        levels.append(Level(size, feeders[-1] if feeders else None))
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
    recipe: Recipe, places: dict[str, int], levels: Sequence[Level], attributes: Attributes
) -> tuple[Output, ...]:
    outputs, first = list[Output](), dict[object, str]()
    for spec in recipe.variants:
        level = places[spec.name]
        crop = cropped(levels[level].size, spec, attributes.focus)
        twin = first.setdefault((level, crop, _encoding(spec)), spec.name)
        outputs.append(Output(spec, level, crop, None if twin == spec.name else twin))
    return tuple(outputs)


def _encoding(spec: VariantSpec) -> VariantSpec:
    """Keep only what still matters once the picture is there."""
    return replace(spec, name="any", width=None, height=None, fit=Fit.FIT, gravity=Gravity.CENTER, upscale=False)
