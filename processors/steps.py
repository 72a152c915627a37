"""What a plan is made of, as values: the decode, the levels and the outputs. ``processors.plan`` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processors.facts import SourceFormat
    from processors.geometry import Crop, Search, Size
    from processors.layout import Canvas
    from processors.recipe import VariantSpec


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
    """Whether the pixels are held whole in memory: only where they are needed more than once."""
    trim: int | None = None
    """How far from the corner's colour a border may be; None: none is looked for."""


@dataclass(frozen=True, slots=True)
class Level:
    """The whole image at one size, after orientation, in 8-bit sRGB or grey."""

    size: Size
    source: int | None
    """Index of the level that it is made of; None: of the decode."""
    kept: bool = False
    """In the source's own colours instead, with its profile."""


@dataclass(frozen=True, slots=True)
class Output:
    """One variant: a level, cropped, turned, and laid on a canvas."""

    spec: VariantSpec
    level: int
    crop: Crop | Search | None
    canvas: Canvas | None
    size: Size
    """Of the variant."""
    smaller: bool
    """Whether the picture lost pixels on its way, so that sharpening is due."""
    same_as: str | None
    """Name of an earlier variant that has the very same bytes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will be done, in order: decode, levels from large to small, summary, outputs."""

    recipe: str
    decode: Decode
    levels: tuple[Level, ...]
    summary: Size
    """What thumbhash and dominant colour are taken from, made of the last level."""
    search: int | None
    """Index of the level in which smart crops are looked for, if there are any."""
    outputs: tuple[Output, ...]

    def describe(self) -> str:
        """Return it as text for people, a line a step."""
        decode = self.decode
        shrink = f" at 1/{decode.shrink}" if decode.shrink > 1 else ""
        lines = [
            f"recipe   {self.recipe}",
            f"decode   {decode.source}{shrink} to {decode.size}, orientation {decode.orientation}"
            + (", kept in memory" if decode.keep else ", streamed"),
            *(["trim     sizes are those of a picture without a border"] if decode.trim else []),
            f"colours  {decode.conversion}",
        ]
        for index, level in enumerate(self.levels):
            feeder = decode.size if level.source is None else self.levels[level.source].size
            name = "the decode" if level.source is None else f"level {level.source}"
            kept = ", in its own colours" if level.kept else ""
            lines.append(f"level {index}  {level.size} from {name} ({feeder.width / level.size.width:.2f}x){kept}")
        lines.append(f"summary  {self.summary} from level {len(self.levels) - 1}")
        lines += [f"variant  {self._describe(output)}" for output in self.outputs]
        return "\n".join(lines)

    def _describe(self, output: Output) -> str:
        spec = output.spec
        if output.same_as:
            return f"{spec.name}: the bytes of {output.same_as}"
        quality = "lossless" if spec.quality is None else f"quality {spec.quality}"
        if spec.target_ssim is not None:
            quality = f"quality for an SSIM of {spec.target_ssim:g}"
        if spec.max_bytes is not None:
            quality += f" within {spec.max_bytes} bytes"
        crop = f", cropped to {output.crop}" if output.crop else ""
        turn = f", turned {spec.rotate}" if spec.rotate else ""
        flip = f", flipped {spec.flip}" if spec.flip != "none" else ""
        canvas = f", on {output.canvas}" if output.canvas else ""
        effects = "".join(
            f", {effect}"
            for effect, wanted in (
                (f"blurred by {spec.blur:g}", spec.blur),
                (f"sharpened by {spec.sharpen:g}", spec.sharpen and output.smaller),
                ("grey", spec.grey),
            )
            if wanted
        )
        frames = ", every frame" if spec.animated else ""
        picture = f"level {output.level}{frames}{crop}{turn}{flip}{effects}{canvas}"
        return f"{spec.name}: {picture}, {spec.format} {quality} effort {spec.effort}"
