"""A recipe as a value: which variants an image gets, and the rules that a value has to keep.

Reading one from TOML, with errors that name the line, is ``processors.recipe_file``; what a recipe means for a given
image is ``processors.plan``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Format(StrEnum):
    """What a variant is encoded as."""

    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"
    PNG = "png"

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        """The usual file extension, without a dot."""
        return "jpg" if self is Format.JPEG else self.value

    @property
    def has_alpha(self) -> bool:
        """Whether the format can carry transparency."""
        return self is not Format.JPEG


class Fit(StrEnum):
    """How an image meets the box of width and height. None of them distorts."""

    FIT = "fit"
    """The whole image, inside the box."""
    FILL = "fill"
    """Scaled until it covers the box, then cropped to it. A source smaller than the box keeps its short side."""
    FILL_DOWN = "fill-down"
    """As fill, but a source smaller than the box is cropped to the box's aspect ratio."""
    COVER = "cover"
    """The whole image, just large enough to cover the box: nothing is cropped."""


class Gravity(StrEnum):
    """Which part of the image a crop keeps."""

    CENTER = "center"
    NORTH = "north"
    NORTH_EAST = "north-east"
    EAST = "east"
    SOUTH_EAST = "south-east"
    SOUTH = "south"
    SOUTH_WEST = "south-west"
    WEST = "west"
    NORTH_WEST = "north-west"
    FOCUS = "focus"
    """Around the focus point of the upload's attributes; the centre where there is none."""


class Chroma(StrEnum):
    """Colour resolution of JPEG and AVIF."""

    HALF = "420"
    """A quarter of the colour samples: the usual choice for photographs."""
    FULL = "444"
    """Every colour sample: for text and line art."""


class Metadata(StrEnum):
    """What of the source's metadata a variant carries."""

    STRIP = "strip"
    KEEP = "keep"
    """EXIF and IPTC, but never the position, maker notes, the embedded thumbnail or the orientation."""


NAME_RULE: Final = "1 to 40 of a-z, 0-9, - and _, starting with a letter or digit"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
MAX_SIDE: Final = 16_383
"""Pixels a side: the most a WebP can have, and within what the other encoders take."""
MAX_VARIANTS: Final = 64
QUALITIES: Final = range(1, 101)
EFFORTS: Final[Mapping[Format, range]] = MappingProxyType(
    {Format.JPEG: range(4), Format.WEBP: range(7), Format.AVIF: range(10), Format.PNG: range(10)}
)
DEFAULT_EFFORT: Final[Mapping[Format, int]] = MappingProxyType(
    {Format.JPEG: 1, Format.WEBP: 2, Format.AVIF: 3, Format.PNG: 6}
)
"""The knee of each encoder's cost curve: the next step takes twice the time to save a few per cent of the bytes."""
DEFAULT_QUALITY: Final[Mapping[Format, int]] = MappingProxyType({Format.JPEG: 80, Format.WEBP: 80, Format.AVIF: 50})
"""PNG has none: it is lossless."""


def is_name(text: str) -> bool:
    """Whether ``text`` may name a recipe or a variant: such names stand in object keys as they are."""
    return _NAME.fullmatch(text) is not None


def is_colour(text: str) -> bool:
    """Whether ``text`` is a colour in the one form that is taken, ``#rrggbb`` in lower case."""
    return _COLOUR.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """One output image. `ValueError` if it breaks a rule.

    ``quality`` and ``effort`` have no defaults here on purpose: they are written out in the fingerprint, so that a new
    default renders anew. A field WITH a default is left out of it while it has that value.
    """

    name: str
    format: Format
    quality: int | None
    """1 to 100; None exactly where the output is lossless."""
    effort: int
    """0 is the fastest; the range depends on the format, see `EFFORTS`."""
    width: int | None = None
    """Pixels; None: as the height and the aspect ratio demand."""
    height: int | None = None
    fit: Fit = Fit.FIT
    gravity: Gravity = Gravity.CENTER
    upscale: bool = False
    """Whether an image smaller than the box is enlarged."""
    background: str | None = None
    """``#rrggbb`` under transparent parts. None: transparency is kept, or becomes white in a format without it."""
    lossless: bool = False
    """WebP only."""
    progressive: bool = False
    """JPEG only."""
    chroma: Chroma = Chroma.HALF
    """JPEG and AVIF only."""
    metadata: Metadata = Metadata.STRIP

    def __post_init__(self) -> None:
        problem = _spec_problem(self)
        if problem:
            message = f"variant {self.name!r}: {problem}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named set of variants. `ValueError` if it breaks a rule."""

    name: str
    variants: tuple[VariantSpec, ...]
    description: str = ""

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        if not is_name(self.name):
            message = f"recipe name {self.name!r} is not {NAME_RULE}"
            raise ValueError(message)
        if not 1 <= len(names) <= MAX_VARIANTS or len(set(names)) != len(names):
            message = f"recipe {self.name!r} needs 1 to {MAX_VARIANTS} variants with names of their own"
            raise ValueError(message)

    @property
    def reads_focus(self) -> bool:
        """Whether the upload's focus point changes what this recipe yields."""
        return any(variant.gravity is Gravity.FOCUS and crops(variant.fit) for variant in self.variants)


def crops(fit: Fit) -> bool:
    """Whether this way of fitting may cut something off."""
    return fit in {Fit.FILL, Fit.FILL_DOWN}


def _spec_problem(spec: VariantSpec) -> str | None:
    """Return the first rule that ``spec`` breaks, or None."""
    sides = [side for side in (spec.width, spec.height) if side is not None]
    lossless = spec.format is Format.PNG or spec.lossless
    rules = (
        (is_name(spec.name), f"the name is not {NAME_RULE}"),
        (all(1 <= side <= MAX_SIDE for side in sides), f"width and height are 1 to {MAX_SIDE}"),
        (spec.fit is Fit.FIT or len(sides) == 2, f"{spec.fit} needs width and height"),  # noqa: PLR2004 - both sides
        ((spec.quality is None) == lossless, "a lossless output has no quality, every other one has"),
        (spec.quality is None or spec.quality in QUALITIES, "quality is 1 to 100"),
        (spec.effort in EFFORTS[spec.format], f"effort of {spec.format} is 0 to {EFFORTS[spec.format].stop - 1}"),
        (spec.background is None or is_colour(spec.background), "background is #rrggbb"),
        (not spec.lossless or spec.format is Format.WEBP, "lossless is for webp"),
        (not spec.progressive or spec.format is Format.JPEG, "progressive is for jpeg"),
        (spec.chroma is Chroma.HALF or spec.format in {Format.JPEG, Format.AVIF}, "chroma is for jpeg and avif"),
    )
    return next((problem for kept, problem in rules if not kept), None)
