"""Tell formats apart by their first bytes, and a file that was cut off from one that is broken, in plain Python.

No image library is trusted with what this has not let through, and none says reliably why it failed: libvips reports
a cut PNG and a damaged one with the same words. Structures are walked from mark to mark; pixels are never decoded.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from itertools import count
from typing import TYPE_CHECKING, Final

from processors.facts import SourceFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TAKEN: Final = (
    (b"\xff\xd8\xff", SourceFormat.JPEG),
    (_PNG, SourceFormat.PNG),
    (b"GIF87a", SourceFormat.GIF),
    (b"GIF89a", SourceFormat.GIF),
)
_EOI: Final = b"\xff\xd9"
_SOS: Final = 0xDA
_JPEG_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0 to RST7, SOI."""
_LOSSLESS_FRAMES: Final = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_NO_MARKER: Final = -2
_MAX_STEPS: Final = 500_000
"""Marks that are followed in one file: a hostile one has tens of millions. Past it a file is not called cut."""
_REFUSED: Final = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"BM", "BMP"),
    (b"8BPS", "PSD"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\1\0", "ICO"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "gzip"),
)
_HEAD: Final = 1024
"""Bytes in which text formats name themselves."""


def sniff(data: bytes) -> SourceFormat | str:
    """Return the format, or words for what the bytes are instead."""
    taken = next((source for magic, source in _TAKEN if data.startswith(magic)), None)
    if taken:
        return taken
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return SourceFormat.WEBP
    if data[4:8] == b"ftyp":
        return _isobmff_kind(data)
    if not data:
        return "empty"
    return next((kind for magic, kind in _REFUSED if data.startswith(magic)), None) or _text_kind(data[:_HEAD])


def _isobmff_kind(data: bytes) -> SourceFormat | str:
    """Go by the brands: HEIC's pixels can't be decoded here although its header opens."""
    end = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if brands & {b"avif", b"avis"}:
        return SourceFormat.AVIF
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "HEIC"
    return "an ISO media file other than AVIF"


def _text_kind(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "SVG"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    if text.startswith(b"<?xml"):
        return "XML"
    return "text" if _is_text(head) else "of no known image format"


def _is_text(head: bytes) -> bool:
    """Whether this is UTF-8, perhaps ended inside a character, without control codes."""
    try:
        text = getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def is_cut_short(data: bytes, source: SourceFormat) -> bool:
    """Whether the file ends before its own structure does: an upload or a copy that was broken off."""
    walk = {
        SourceFormat.JPEG: _jpeg_is_cut,
        SourceFormat.PNG: _png_is_cut,
        SourceFormat.WEBP: _webp_is_cut,
        SourceFormat.GIF: _gif_is_cut,
        SourceFormat.AVIF: _isobmff_is_cut,
    }
    return walk[source](data)


def is_lossless_jpeg(data: bytes) -> bool:
    """Whether a JPEG is of the rare kind without a cosine transform, which can't be shrunk while it is decoded."""
    return any(marker in _LOSSLESS_FRAMES for marker, _ in _jpeg_segments(data))


def _jpeg_is_cut(data: bytes) -> bool:
    """Look for the end mark behind the first scan: the ones before belong to thumbnails."""
    marker, at = -1, 2
    for marker, at in _jpeg_segments(data):
        if marker == _SOS:
            return data.find(_EOI, at) < 0
    return marker != _NO_MARKER


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and place of each segment up to the first scan; last `_NO_MARKER` where there should be one."""
    at, marker = 2, 0
    for step in count():
        if at + 4 > len(data) or marker == _SOS:
            return
        if data[at] != 0xFF or step == _MAX_STEPS:  # noqa: PLR2004 - every marker starts so
            yield _NO_MARKER, at
            return
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
            continue
        yield marker, at
        at += 2 if marker in _JPEG_BARE_MARKERS else 2 + int.from_bytes(data[at + 2 : at + 4])


def _png_is_cut(data: bytes) -> bool:
    at = len(_PNG)
    for _ in range(_MAX_STEPS):
        if at + 12 > len(data):
            return True
        kind = data[at + 4 : at + 8]
        if kind == b"IEND" or not (kind.isascii() and kind.isalpha()):
            return False
        at += 12 + int.from_bytes(data[at : at + 4])
    return False


def _webp_is_cut(data: bytes) -> bool:
    return len(data) < 8 + int.from_bytes(data[4:8], "little")


def _isobmff_is_cut(data: bytes) -> bool:
    at = 0
    for _ in range(_MAX_STEPS):
        if at + 8 > len(data):
            break
        size = int.from_bytes(data[at : at + 4])
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        elif size == 0:
            return False
        if size < 8:  # noqa: PLR2004 - smaller than its own head: broken, not cut
            return False
        at += size
    else:
        return False
    return at != len(data)


def _gif_is_cut(data: bytes) -> bool:
    """Return True only for an end inside a block: a GIF that lacks nothing but its trailer shows whole everywhere."""
    at, steps = 13 + _gif_palette(data[10:11]), 0
    while at < len(data) and steps < _MAX_STEPS:
        kind = data[at]
        if kind == 0x21:  # noqa: PLR2004 - an extension: its label, then sub-blocks
            at += 2
        elif kind == 0x2C:  # noqa: PLR2004 - an image: descriptor, palette, code size, then sub-blocks
            at += 11 + _gif_palette(data[at + 9 : at + 10])
        else:
            return False
        while at < len(data) and data[at] and steps < _MAX_STEPS:
            at += 1 + data[at]
            steps += 1
        at += 1
        steps += 1
    return at > len(data)


def _gif_palette(flags: bytes) -> int:
    """Return the bytes of the palette that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
