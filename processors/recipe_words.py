"""The words of the recipe language and its bounds: enumerations and figures, no rules across them."""

from __future__ import annotations

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
    GIF = "gif"

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

    @property
    def has_quality(self) -> bool:
        """Whether an encoder gives up likeness for bytes by a figure; GIF has its 256 colours, PNG loses nothing."""
        return self not in {Format.PNG, Format.GIF}


class Fit(StrEnum):
    """How an image meets the box of width and height. None but ``FORCE`` distorts."""

    FIT = "fit"
    """The whole image, inside the box."""
    FILL = "fill"
    """Scaled until it covers the box, then cropped to it. A source smaller than the box keeps its short side."""
    FILL_DOWN = "fill-down"
    """As fill, but a source smaller than the box is cropped to the box's aspect ratio."""
    COVER = "cover"
    """The whole image, just large enough to cover the box: nothing is cropped."""
    PAD = "pad"
    """The whole image inside the box, and background around it: the variant is exactly the box, always."""
    FORCE = "force"
    """The whole image, each side as the box says: distorted."""


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
    ATTENTION = "attention"
    """Around what the eye goes to: libvips looks for edges, skin and saturated colours."""
    ENTROPY = "entropy"
    """Where most is going on: libvips keeps the part of the highest entropy."""


class Flip(StrEnum):
    """A mirror, laid on after the rotation."""

    NONE = "none"
    HORIZONTAL = "horizontal"
    """Left and right change places."""
    VERTICAL = "vertical"
    """Top and bottom change places."""


class Shape(StrEnum):
    """What an upright picture is."""

    LANDSCAPE = "landscape"
    PORTRAIT = "portrait"
    SQUARE = "square"


class Profile(StrEnum):
    """Which colours a variant is in."""

    SRGB = "srgb"
    KEEP = "keep"
    """The source's own, with its profile, where it is RGB: Display P3 stays Display P3."""


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


MOVING: Final = frozenset({Format.WEBP, Format.GIF})
"""What can be animated."""
NAME_RULE: Final = "1 to 40 of a-z, 0-9, - and _, starting with a letter or digit"
MAX_SIDE: Final = 16_383
"""Pixels a side: the most a WebP can have, and within what the other encoders take."""
MAX_VARIANTS: Final = 64
MAX_PIXELS: Final = 100_000_000
QUALITIES: Final = range(1, 101)
ROTATIONS: Final = (0, 90, 180, 270)
"""Degrees clockwise."""
RATIOS: Final = range(1, 6)
"""Device-pixel ratios that a variant may be made for."""
LEAST_SSIM: Final = 0.5
MOST_SSIM: Final = 0.999
MAX_BYTES: Final = 100_000_000
MIN_SIGMA: Final = 0.3
"""Pixels: a Gaussian that is narrower has one tap, and changes nothing."""
MAX_SIGMA: Final = 100.0
MAX_SHARPEN: Final = 5.0
THRESHOLDS: Final = range(256)
DEFAULT_THRESHOLD: Final = 10
"""Steps of 8 bits by which a pixel may differ from the border and still be trimmed: the noise of a JPEG is below."""
SMART: Final = frozenset({Gravity.ATTENTION, Gravity.ENTROPY})
"""What only the pixels can say."""
EFFORTS: Final[Mapping[Format, range]] = MappingProxyType(
    {Format.JPEG: range(4), Format.WEBP: range(7), Format.AVIF: range(10), Format.PNG: range(10), Format.GIF: range(10)}
)
DEFAULT_EFFORT: Final[Mapping[Format, int]] = MappingProxyType(
    {Format.JPEG: 1, Format.WEBP: 2, Format.AVIF: 3, Format.PNG: 6, Format.GIF: 6}
)
"""The knee of each encoder's cost curve: the next step takes twice the time to save a few per cent of the bytes."""
DEFAULT_QUALITY: Final[Mapping[Format, int]] = MappingProxyType({Format.JPEG: 80, Format.WEBP: 80, Format.AVIF: 50})
"""PNG and GIF have none."""
