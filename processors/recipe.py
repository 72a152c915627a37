"""A recipe as a value: which variants an image gets, and the rules that a value has to keep.

Its words are in ``processors.recipe_words``. Reading one from TOML, with errors that name the line, is
``processors.recipe_file``; what a recipe means for a given image is ``processors.plan``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from processors.recipe_words import (
    DEFAULT_EFFORT,
    DEFAULT_QUALITY,
    EFFORTS,
    LEAST_SSIM,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SHARPEN,
    MAX_SIDE,
    MAX_SIGMA,
    MAX_VARIANTS,
    MIN_SIGMA,
    MOST_SSIM,
    MOVING,
    NAME_RULE,
    QUALITIES,
    ROTATIONS,
    THRESHOLDS,
    Chroma,
    Fit,
    Flip,
    Format,
    Gravity,
    Metadata,
    Profile,
    Shape,
)

__all__ = [
    "DEFAULT_EFFORT",
    "DEFAULT_QUALITY",
    "EFFORTS",
    "MAX_SIDE",
    "MAX_VARIANTS",
    "NAME_RULE",
    "QUALITIES",
    "Chroma",
    "Fit",
    "Flip",
    "Format",
    "Gravity",
    "Metadata",
    "Part",
    "Profile",
    "Recipe",
    "Shape",
    "VariantSpec",
    "When",
    "crops",
    "is_colour",
    "is_name",
    "is_part",
]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
Part = tuple[float, float, float, float]
"""Left, top, width and height as fractions of a picture."""


def is_name(text: str) -> bool:
    """Whether ``text`` may name a recipe or a variant: such names stand in object keys as they are."""
    return _NAME.fullmatch(text) is not None


def is_colour(text: str) -> bool:
    """Whether ``text`` is a colour in the one form that is taken, ``#rrggbb`` in lower case."""
    return _COLOUR.fullmatch(text) is not None


def is_part(part: Part) -> bool:
    """Whether this is a part of a picture: not empty, and nothing of it outside."""
    left, top, width, height = part
    return min(left, top) >= 0 and min(width, height) > 0 and max(left + width, top + height) <= 1


@dataclass(frozen=True, slots=True)
class When:
    """For which sources a variant is made; what is None does not matter."""

    shape: Shape | None = None
    wider_than: int | None = None
    """Pixels of the upright source, which must be exceeded."""
    taller_than: int | None = None
    animated: bool | None = None


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
    crop: Part | None = None
    """The part of the source that there is for this variant; None: all of it."""
    trim: int | None = None
    """How far from its corner's colour a border may be and still is cut off, before all else; None: nothing is."""
    rotate: int = 0
    """Degrees clockwise; width, height, gravity and all that follows mean the turned picture."""
    flip: Flip = Flip.NONE
    min_width: int | None = None
    """Pixels that the result has at least, even if that takes it out of the box."""
    min_height: int | None = None
    max_pixels: int | None = None
    """Width times height that the result has at most, even if that takes it below its minimum."""
    profile: Profile = Profile.SRGB
    blur: float = 0.0
    """Standard deviation of a Gaussian in pixels of the result; 0: none."""
    sharpen: float = 0.0
    """How much of the difference to a slight blur is added, where the picture was made smaller; 0: nothing."""
    grey: bool = False
    palette: bool = False
    """PNG only: at most 256 colours, which loses some."""
    target_ssim: float | None = None
    """Quality is the lowest at which the picture is this much like itself unencoded; None: as ``quality`` says."""
    max_bytes: int | None = None
    """Quality falls until the file is no larger."""
    when: When | None = None
    animated: bool = False
    """WebP and GIF only: every frame of an animation, with its delays and loops, instead of the first."""

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

    @property
    def has_conditions(self) -> bool:
        """Whether some sources get fewer variants than others."""
        return any(variant.when is not None for variant in self.variants)

    @property
    def moves(self) -> bool:
        """Whether all frames of an animation are wanted by any variant."""
        return any(variant.animated for variant in self.variants)

    @property
    def trims(self) -> bool:
        """Whether borders have to be looked for before sizes are known."""
        return any(variant.trim is not None for variant in self.variants)


def crops(fit: Fit) -> bool:
    """Whether this way of fitting may cut something off."""
    return fit in {Fit.FILL, Fit.FILL_DOWN}


def _minimum(spec: VariantSpec) -> list[int]:
    return [side for side in (spec.min_width, spec.min_height) if side is not None]


def _spec_problem(spec: VariantSpec) -> str | None:
    """Return the first rule that ``spec`` breaks, or None."""
    sides = [side for side in (spec.width, spec.height) if side is not None]
    lossless = not spec.format.has_quality or spec.lossless
    rules = (
        (is_name(spec.name), f"the name is not {NAME_RULE}"),
        (all(1 <= side <= MAX_SIDE for side in sides), f"width and height are 1 to {MAX_SIDE}"),
        (spec.fit is Fit.FIT or len(sides) == 2, f"{spec.fit} needs width and height"),  # noqa: PLR2004 - both sides
        ((spec.quality is None) == lossless, "a lossless output has no quality, every other one has"),
        (spec.quality is None or spec.quality in QUALITIES, "quality is 1 to 100"),
        (spec.effort in EFFORTS[spec.format], f"effort of {spec.format} is 0 to {EFFORTS[spec.format].stop - 1}"),
        (spec.background is None or is_colour(spec.background), "background is #rrggbb"),
        (spec.crop is None or is_part(spec.crop), "crop is a part of the picture"),
        (spec.trim is None or spec.trim in THRESHOLDS, "trim is 0 to 255"),
        (spec.rotate in ROTATIONS, "rotate is 0, 90, 180 or 270"),
        (all(1 <= side <= MAX_SIDE for side in _minimum(spec)), f"min_width and min_height are 1 to {MAX_SIDE}"),
        (spec.fit is Fit.FIT or not _minimum(spec), f"{spec.fit} has a size of its own: no minimum"),
        (spec.max_pixels is None or 1 <= spec.max_pixels <= MAX_PIXELS, f"max_pixels is 1 to {MAX_PIXELS}"),
        (spec.max_pixels is None or spec.fit in {Fit.FIT, Fit.COVER}, f"{spec.fit} has a size of its own"),
        (spec.blur == 0 or MIN_SIGMA <= spec.blur <= MAX_SIGMA, f"blur is {MIN_SIGMA} to {MAX_SIGMA}"),
        (0 <= spec.sharpen <= MAX_SHARPEN, f"sharpen is 0 to {MAX_SHARPEN}"),
        (not spec.grey or spec.profile is Profile.SRGB, "grey has no profile to keep"),
        (not spec.palette or spec.format is Format.PNG, "palette is for png"),
        (spec.target_ssim is None or LEAST_SSIM <= spec.target_ssim <= MOST_SSIM, "no such SSIM can be a target"),
        (spec.max_bytes is None or 1 <= spec.max_bytes <= MAX_BYTES, f"max_bytes is 1 to {MAX_BYTES}"),
        (not lossless or spec.target_ssim is spec.max_bytes is None, "a lossless output has no quality to search"),
        (not spec.lossless or spec.format is Format.WEBP, "lossless is for webp"),
        (spec.format is not Format.GIF or spec.profile is Profile.SRGB, "gif carries no profile"),
        (spec.format is not Format.GIF or spec.metadata is Metadata.STRIP, "gif carries no metadata"),
        (not spec.animated or spec.format in MOVING, "animated is for webp and gif"),
        (not spec.animated or spec.target_ssim is spec.max_bytes is None, "an animation has a fixed quality"),
        (not spec.progressive or spec.format is Format.JPEG, "progressive is for jpeg"),
        (spec.chroma is Chroma.HALF or spec.format in {Format.JPEG, Format.AVIF}, "chroma is for jpeg and avif"),
    )
    return next((problem for kept, problem in rules if not kept), None)
