"""Read a source's header in milliseconds and refuse what must not reach a decoder. No pixel is decoded here.

Runs only in render processes (and tests): it loads libvips. The values it takes and returns are in
``processors.facts``, for those who must not load it.
"""

from __future__ import annotations

from typing import Final

from processors.facts import Facts, Limits, SourceFormat
from processors.profile import is_srgb
from processors.sniff import is_cut_short, is_lossless_jpeg, sniff
from processors.vips import Image, decoding, open_image
from schemas.errors import Permanent, Reason

__all__ = ["Facts", "Limits", "inspect"]

_HIGHEST_ORIENTATION: Final = 8
_COEFFICIENT_BYTES: Final = 2
"""A progressive JPEG is held as one 16-bit coefficient a sample until its last scan is read."""


def inspect(data: bytes, limits: Limits) -> Facts:
    """Return what the header says, or raise `Permanent`.

    Reasons: UNSUPPORTED_FORMAT, UNDECODABLE, TRUNCATED, TOO_LARGE (bytes, pixels over all frames, a side, aspect ratio)
    and TOO_MANY_FRAMES.
    """
    if len(data) > limits.bytes:
        raise Permanent(Reason.TOO_LARGE, f"{len(data)} bytes; the limit is {limits.bytes}")
    source = sniff(data)
    if not isinstance(source, SourceFormat):
        taken = ", ".join(SourceFormat)
        raise Permanent(Reason.UNSUPPORTED_FORMAT, f"the file is {source}; taken are {taken}")
    with decoding(data, source):
        facts = _facts(open_image(data, source), source, shrinks=not _is_rigid(data, source))
    _hold_to(limits, facts)
    if source is SourceFormat.GIF and is_cut_short(data, source):
        raise Permanent(Reason.TRUNCATED, "gif: the file ends inside a block")  # libvips would show what there is
    return facts


def _hold_to(limits: Limits, facts: Facts) -> None:
    pixels, sides = facts.width * facts.height * facts.frames, sorted((facts.width, facts.height))
    size = f"{facts.width}x{facts.height} with {facts.frames} frames"
    if facts.frames > limits.frames:
        raise Permanent(Reason.TOO_MANY_FRAMES, f"{size}; the limit is {limits.frames} frames")
    if pixels > limits.pixels:
        raise Permanent(Reason.TOO_LARGE, f"{size} is {pixels} pixels; the limit is {limits.pixels}")
    if sides[1] > limits.side:
        raise Permanent(Reason.TOO_LARGE, f"{size}; the limit is {limits.side} pixels a side")
    if sides[1] > limits.aspect * sides[0]:
        raise Permanent(Reason.TOO_LARGE, f"{size}; the limit is an aspect ratio of {limits.aspect}")


def _facts(image: Image, source: SourceFormat, *, shrinks: bool) -> Facts:
    if source is SourceFormat.AVIF and _field(image, "heif-compression") != "av1":
        raise Permanent(Reason.UNSUPPORTED_FORMAT, "the file calls itself AVIF but is not AV1 inside")
    orientation = _orientation(image)
    interlaced = bool(_field(image, "interlaced"))
    transposed = orientation > 4  # noqa: PLR2004 - EXIF's 5 to 8
    profile = _field(image, "icc-profile-data")
    return Facts(
        format=source,
        width=image.height if transposed else image.width,
        height=image.width if transposed else image.height,
        frames=_number(image, "n-pages"),
        has_alpha=bool(image.hasalpha()),
        colour_space=str(image.interpretation),
        orientation=orientation,
        interlaced=interlaced,
        has_profile=isinstance(profile, bytes) and not is_srgb(profile),
        bits=16 if image.format == "ushort" else 8,
        decoded_bytes=_decoded_bytes(image, source, interlaced=interlaced),
        shrinks=shrinks,
    )


def _is_rigid(data: bytes, source: SourceFormat) -> bool:
    return source is SourceFormat.JPEG and is_lossless_jpeg(data)


def _decoded_bytes(image: Image, source: SourceFormat, *, interlaced: bool) -> int:
    """Return the pixels of one frame, and what the decoder holds beside them.

    Sequential JPEG and PNG are decoded in strips, so this is above what they really take.
    """
    samples = int(image.width * image.height * image.bands)
    pixels = samples * (2 if image.format == "ushort" else 1)
    if source is SourceFormat.JPEG:
        return pixels + (samples * _COEFFICIENT_BYTES if interlaced else 0)
    return pixels if source is SourceFormat.PNG else 2 * pixels


def _orientation(image: Image) -> int:
    found = _number(image, "orientation")
    return found if found <= _HIGHEST_ORIENTATION else 1


def _number(image: Image, name: str) -> int:
    """Return a field that counts from 1; 1 where it is missing or nonsense."""
    found = _field(image, name)
    return found if isinstance(found, int) and found >= 1 else 1


def _field(image: Image, name: str) -> object:
    return image.get(name) if image.get_typeof(name) else None
