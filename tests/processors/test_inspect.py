"""Inspection reads headers only, and refuses with the reason that fits before any pixel is decoded."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from processors.facts import Facts, Limits, SourceFormat
from processors.inspect import inspect
from processors.profile import is_srgb
from schemas.errors import Permanent, Reason
from tests.processors.builders import file_of, jpeg, picture, with_alpha

_PIXELS = picture(90, 60)


def look(data: bytes, **limits: int) -> Facts:
    """Inspect with the usual limits but for these."""
    return inspect(data, Limits(**limits))


def reason_of(data: bytes, **limits: int) -> tuple[Reason, str]:
    """Return why the file is refused."""
    with pytest.raises(Permanent) as caught:
        look(data, **limits)
    return caught.value.reason, caught.value.detail


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that has a header and nothing else: whoever opened its pixels would fail."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\x78\x9c") + chunk(b"IEND", b"")


def animation(kind: str, frames: int, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    """Return frames that differ, so that none is merged with its neighbour."""
    pictures = [Image.fromarray(np.roll(_PIXELS, 3 * index, axis=1)) for index in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=50, **options)
    return out.getvalue()


def test_the_facts_of_a_photograph() -> None:
    """Format, size, colours and memory are read from the header."""
    assert look(jpeg(_PIXELS)) == Facts(
        format=SourceFormat.JPEG,
        width=90,
        height=60,
        frames=1,
        has_alpha=False,
        colour_space="srgb",
        orientation=1,
        interlaced=False,
        has_profile=False,
        bits=8,
        decoded_bytes=90 * 60 * 3,
    )


def test_sizes_are_given_after_orientation() -> None:
    """A phone's upright photograph is upright also in the facts."""
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = look(jpeg(_PIXELS, exif=exif))
    assert (facts.width, facts.height, facts.orientation, facts.stored_size) == (60, 90, 6, (90, 60))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    """Nonsense in EXIF does not turn the picture, nor fail it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert look(jpeg(_PIXELS, exif=exif)).orientation == 1


def test_what_decoding_costs_is_estimated_from_the_header() -> None:
    """A progressive JPEG is held as coefficients beside its pixels; 16 bits take twice as much."""
    progressive = look(jpeg(_PIXELS, progressive=True))
    assert progressive.interlaced
    assert progressive.decoded_bytes == 3 * 90 * 60 * 3
    deep = look(file_of((np.arange(5400, dtype=np.uint16) * 12).reshape(60, 90)))
    assert (deep.bits, deep.colour_space, deep.decoded_bytes) == (16, "grey16", 90 * 60 * 2)


def test_alpha_colour_spaces_and_frames_are_seen() -> None:
    """RGBA, grey, CMYK, palette and animations are told apart."""
    assert look(file_of(with_alpha(_PIXELS))).has_alpha
    assert look(file_of(_PIXELS[..., 0])).colour_space == "b-w"
    cmyk = io.BytesIO()
    Image.fromarray(_PIXELS).convert("CMYK").save(cmyk, "JPEG")
    assert look(cmyk.getvalue()).colour_space == "cmyk"
    assert look(animation("GIF", 5)).frames == 5
    assert look(animation("WEBP", 4)).frames == 4
    assert look(animation("PNG", 3)).frames == 1  # an APNG is its first frame, as for every viewer that knows no APNG


@pytest.mark.parametrize(
    ("width", "height", "refused"), [(10_000, 10_000, False), (10_001, 10_000, True), (100_000, 100_000, True)]
)
def test_too_many_pixels_are_refused_from_the_header(width: int, height: int, *, refused: bool) -> None:
    """The bound is 100 million; the file has no pixels at all, so nothing can have been decoded."""
    if refused:
        assert reason_of(png_header(width, height))[0] is Reason.TOO_LARGE
    else:
        assert look(png_header(width, height)).width == width


def test_pixels_are_counted_over_all_frames() -> None:
    """A small canvas with many frames is as large as they are together."""
    data = animation("GIF", 6)
    assert look(data, pixels=90 * 60 * 6).frames == 6
    assert reason_of(data, pixels=90 * 60 * 6 - 1)[0] is Reason.TOO_LARGE


def test_a_side_is_bounded_by_itself() -> None:
    """A picture of few pixels may still have rows that cost gigabytes; found by fuzzing."""
    data = file_of(picture(300, 20))
    assert look(data, side=300).width == 300
    reason, detail = reason_of(data, side=299)
    assert reason is Reason.TOO_LARGE
    assert "299 pixels a side" in detail


def test_too_many_frames_bytes_or_too_long_a_side_are_refused() -> None:
    """Each bound has its reason; the detail names what was found and what is allowed."""
    assert reason_of(animation("GIF", 6), frames=5) == (
        Reason.TOO_MANY_FRAMES,
        "90x60 with 6 frames; the limit is 5 frames",
    )
    data = jpeg(_PIXELS)
    assert reason_of(data, bytes=len(data) - 1)[0] is Reason.TOO_LARGE
    assert look(png_header(1, 20_000)).height == 20_000
    assert reason_of(png_header(1, 20_001))[0] is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.UNSUPPORTED_FORMAT),
        (b"not an image", Reason.UNSUPPORTED_FORMAT),
        (file_of(_PIXELS, "TIFF"), Reason.UNSUPPORTED_FORMAT),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", Reason.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", Reason.UNSUPPORTED_FORMAT),
        (jpeg(_PIXELS)[:100], Reason.TRUNCATED),
        (file_of(_PIXELS)[:20], Reason.TRUNCATED),
        (file_of(_PIXELS, "WEBP")[:-30], Reason.TRUNCATED),
        (file_of(_PIXELS, "AVIF")[:200], Reason.TRUNCATED),
        (file_of(_PIXELS, "GIF")[:-30], Reason.TRUNCATED),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0JUNK" * 40, Reason.UNDECODABLE),
        (b"\xff\xd8\xff\xe0\0\4ab" + b"junk" * 40, Reason.UNDECODABLE),
    ],
)
def test_a_file_that_cannot_be_taken_says_why(data: bytes, reason: Reason) -> None:
    """Another format, cut off and damaged are three different things to whoever uploaded it."""
    assert reason_of(data)[0] is reason


@pytest.mark.parametrize("loader", ["tiffload_buffer", "svgload_buffer", "uhdrload_buffer"])
def test_no_other_loader_can_be_called_by_anyone(loader: str) -> None:
    """The allow-list is libvips' own, so that no path around the sniffing leads to another parser."""
    with pytest.raises(pyvips.Error):
        getattr(pyvips.Image, loader)(file_of(_PIXELS, "TIFF"))


def test_an_avif_that_is_not_av1_inside_is_refused() -> None:
    """HEIC's header opens but its pixels fail: a brand alone does not let it in."""
    avif = file_of(_PIXELS, "AVIF")
    disguised = avif.replace(b"av01", b"hvc1").replace(b"av1C", b"hvcC")
    assert reason_of(disguised)[0] in {Reason.UNSUPPORTED_FORMAT, Reason.UNDECODABLE}


def test_a_profile_counts_only_if_it_is_not_srgb() -> None:
    """Most photographs carry sRGB under one of its many names; converting it would cost and change nothing."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = pyvips.Image.new_from_array(_PIXELS, interpretation="srgb")
    p3 = image.icc_transform("p3", input_profile="srgb").get("icc-profile-data")
    vips_srgb = image.icc_transform("srgb", input_profile="srgb").get("icc-profile-data")
    assert (is_srgb(srgb), is_srgb(vips_srgb), is_srgb(p3)) == (True, True, False)
    assert not look(jpeg(_PIXELS, icc_profile=srgb)).has_profile
    assert look(jpeg(_PIXELS, icc_profile=p3)).has_profile


@pytest.mark.parametrize("length", [0, 1, 60, 127, 131, 140, 200, 400])
def test_a_damaged_profile_is_never_taken_for_srgb(length: int) -> None:
    """Wherever it ends, comparing it does not fail."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert not is_srgb(srgb[:length])
