"""What a header says about a source image, and the bounds that admission holds it to: plain values, no image library.

They live apart from ``processors.inspect`` because they cross process borders: a parent that unpickles them must not
load libvips for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SourceFormat(StrEnum):
    """The formats that are taken in."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may ask of a renderer; whoever is past a bound is refused before any pixel is decoded."""

    pixels: int = 100_000_000
    """Width x height x frames. Below it no malformed file took more than a second or 160 MB (2 300 files tried)."""
    bytes: int = 100_000_000
    """Size of the encoded source."""
    frames: int = 500
    """Frames of an animation, or pages."""
    side: int = 65_535
    """Pixels of the longer side, the most that a JPEG can have. Rows are worked on whole: a PNG of 1048706x64, in 785
    bytes, took 2 GB."""
    aspect: int = 20_000
    """Longer side over shorter side."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the header says. Nothing here was measured on pixels."""

    format: SourceFormat
    width: int
    """Pixels, after orientation."""
    height: int
    """Pixels, after orientation."""
    frames: int
    has_alpha: bool
    colour_space: str
    """libvips' name of the interpretation: ``srgb``, ``b-w``, ``cmyk``, ``rgb16``, ``grey16``."""
    orientation: int
    """EXIF orientation, 1 to 8."""
    interlaced: bool
    """A progressive JPEG or an interlaced PNG: costs several times the memory of a sequential one."""
    has_profile: bool
    """An ICC profile that is not sRGB is embedded, so that colours must be converted."""
    bits: int
    """Bits a sample once decoded: 8 or 16."""
    decoded_bytes: int
    """Upper estimate of the bytes that decoding the first frame at full size occupies; admission counts these."""
    shrinks: bool = True
    """Whether a loader that can shrink may do so: not for lossless JPEGs, of which it would return a corner."""

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as the pixels are stored, before orientation."""
        return (self.height, self.width) if self.orientation >= _FIRST_TRANSPOSED else (self.width, self.height)


_FIRST_TRANSPOSED = 5
"""EXIF orientations 5 to 8 exchange width and height."""
