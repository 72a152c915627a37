"""Damaged sources fail for the right reason, and nothing private gets out."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms

from processors import render as render_module
from processors.recipe import Format, Metadata
from schemas.errors import Permanent, Reason
from schemas.events import Attributes
from tests.processors.builders import (
    facts,
    file_of,
    jpeg,
    only,
    picture,
    recipe,
    spec,
)

_PIXELS = picture(330, 220)


def test_metadata_is_stripped_and_what_is_kept_says_nothing_private() -> None:
    """Stripped by default. Kept on request: EXIF, but no position, maker notes, thumbnail or orientation."""
    exif = Image.Exif()
    exif[0x8298], exif[0x0112] = "(c) Somebody", 3
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0)})
    exif.get_ifd(0x8769).update({0x927C: b"maker secret", 0x9003: "2020:01:01 00:00:00"})
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = jpeg(_PIXELS, exif=exif, comment=b"a comment", icc_profile=icc)
    for kind in Format:
        stripped = Image.open(io.BytesIO(only(data, spec(kind=kind, width=80)).data))
        assert not stripped.getexif()
        assert not {"icc_profile", "xmp", "comment"} & set(stripped.info)
        if kind is Format.GIF:  # it has no room for any
            continue
        kept = only(data, spec(kind=kind, width=80, metadata=Metadata.KEEP)).data
        found = Image.open(io.BytesIO(kept)).getexif()
        assert (found[0x8298], found.get(0x0112, 1)) == ("(c) Somebody", 1)
        assert found.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
        assert not found.get_ifd(0x8825)
        assert b"secret" not in kept


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_a_file_cut_off_fails_as_truncated(kind: str, share: float) -> None:
    """Never a picture with a grey lower half, whatever the format, whatever the shrink."""
    data = file_of(_PIXELS, kind)
    with pytest.raises(Permanent) as caught:
        only(data[: int(len(data) * share)], spec(width=40))
    assert caught.value.reason is Reason.TRUNCATED


def test_a_progressive_jpeg_cut_off_fails_as_truncated() -> None:
    """Its first scans would make a whole, if blurred, picture."""
    data = jpeg(picture(640, 480), progressive=True)
    with pytest.raises(Permanent) as caught:
        only(data[: len(data) // 2], spec(width=40))
    assert caught.value.reason is Reason.TRUNCATED


def test_damaged_pixels_fail_as_undecodable() -> None:
    """The structure is whole, the contents are not."""
    data = bytearray(file_of(_PIXELS))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(Permanent) as caught:
        only(bytes(data), spec(width=40))
    assert caught.value.reason is Reason.UNDECODABLE
    assert caught.value.detail.startswith("png: ")


def test_facts_of_another_file_do_not_crash_the_renderer() -> None:
    """A plan for other facts yields the planned size; nothing in it is taken for a promise about memory."""
    result = render_module.render(file_of(_PIXELS), facts(40, 30, format="png"), recipe(spec(width=20)), Attributes())
    assert Image.open(io.BytesIO(result.variants[0].data)).size == (20, 15)
