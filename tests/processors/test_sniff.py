"""Formats are told by their first bytes, and a file that was cut off from one that is broken."""

from __future__ import annotations

import pytest

from processors.facts import SourceFormat
from processors.sniff import is_cut_short, is_lossless_jpeg, sniff
from tests.processors.builders import file_of, jpeg, picture, with_alpha

_SMALL = picture(90, 60)
FILES = {
    SourceFormat.JPEG: jpeg(_SMALL),
    SourceFormat.PNG: file_of(_SMALL),
    SourceFormat.WEBP: file_of(_SMALL, "WEBP"),
    SourceFormat.GIF: file_of(_SMALL, "GIF"),
    SourceFormat.AVIF: file_of(_SMALL, "AVIF"),
}


@pytest.mark.parametrize("source", SourceFormat)
def test_what_is_taken_is_recognised(source: SourceFormat) -> None:
    """Every format that is taken is told by its content, not by a name."""
    assert sniff(FILES[source]) is source


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (file_of(_SMALL, "TIFF"), "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
        (file_of(_SMALL, "BMP"), "BMP"),
        (b"8BPS\0\1", "PSD"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "an ISO media file other than AVIF"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg/>', "SVG"),
        (b"  <!DOCTYPE html><html></html>", "HTML"),
        (b"<?xml version='1.0'?><feed/>", "XML"),
        (b"once upon a time\n", "text"),
        (b"RIFF\0\0\0\0WAVE", "of no known image format"),
        (b"\x89PNG\r\n\x1a", "of no known image format"),
        (b"\xff\xd8", "of no known image format"),
    ],
)
def test_what_is_not_taken_is_named(data: bytes, kind: str) -> None:
    """Whoever uploads something else reads what it was."""
    assert sniff(data) == kind


@pytest.mark.parametrize("source", SourceFormat)
def test_a_whole_file_is_not_cut(source: SourceFormat) -> None:
    """Also not with bytes behind its end, which cameras and editors leave there."""
    assert not is_cut_short(FILES[source], source)
    if source is not SourceFormat.AVIF:  # there anything behind has to be a box again
        assert not is_cut_short(FILES[source] + b"\x17trailing", source)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("source", SourceFormat)
def test_a_file_without_its_end_is_cut(source: SourceFormat, share: float) -> None:
    """Wherever it was broken off behind its first bytes."""
    data = FILES[source]
    assert is_cut_short(data[: int(len(data) * share)], source)


def test_a_jpeg_is_cut_also_if_its_thumbnail_is_whole() -> None:
    """The end mark of an embedded thumbnail is not taken for the picture's."""
    thumbnail = jpeg(picture(16, 16))
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    whole = b"\xff\xd8" + segment + FILES[SourceFormat.JPEG][2:]
    assert not is_cut_short(whole, SourceFormat.JPEG)
    assert is_cut_short(whole[:-40], SourceFormat.JPEG)


def test_a_gif_that_lacks_only_its_trailer_is_whole() -> None:
    """Many are like that, and show whole everywhere."""
    assert not is_cut_short(FILES[SourceFormat.GIF][:-1], SourceFormat.GIF)


def test_a_broken_structure_is_not_called_cut() -> None:
    """Nonsense where a mark should be is damage, not an end too early."""
    png = bytearray(FILES[SourceFormat.PNG])
    png[12:16] = b"\x01\x02\x03\x04"
    assert not is_cut_short(bytes(png), SourceFormat.PNG)
    assert not is_cut_short(b"\xff\xd8\xff\xe0\0\x04ab" + b"garbage", SourceFormat.JPEG)
    assert not is_cut_short(b"\0\0\0\x18ftypavif\0\0\0\0avifmif1\0\0\0\1meta", SourceFormat.AVIF)


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (SourceFormat.JPEG, b"\xff\xd8" + b"\xff\xd0" * 2_000_000),
        (SourceFormat.JPEG, b"\xff\xd8" + b"\xff" * 2_000_000),
        (SourceFormat.PNG, FILES[SourceFormat.PNG][:33] + b"\0\0\0\0tEXtabcd" * 1_000_000),
        (SourceFormat.GIF, b"GIF89a\1\0\1\0\0\0\0!\xff" + b"\1a" * 2_000_000),
        (SourceFormat.AVIF, FILES[SourceFormat.AVIF][:32] + b"\0\0\0\x08free" * 1_000_000),
    ],
)
def test_a_file_of_nothing_but_marks_is_given_up(source: SourceFormat, data: bytes) -> None:
    """The walk is bounded: what can't be told within half a million steps is not called cut."""
    assert not is_cut_short(data, source)


def test_a_lossless_jpeg_is_recognised() -> None:
    """By its frame marker; an ordinary and a progressive one are not of that kind."""
    lossless = FILES[SourceFormat.JPEG].replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11")
    assert is_lossless_jpeg(lossless)
    assert not is_lossless_jpeg(FILES[SourceFormat.JPEG])
    assert not is_lossless_jpeg(jpeg(_SMALL, progressive=True))


def test_transparency_changes_nothing_about_recognition() -> None:
    """WebP with alpha has another chunk layout, PNG another colour type."""
    pixels = with_alpha(_SMALL)
    assert sniff(file_of(pixels, "WEBP")) is SourceFormat.WEBP
    assert sniff(file_of(pixels)) is SourceFormat.PNG
