"""Rendering carries out the plan: sizes, crops, upright pictures, right colours, and nothing private in the output."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from processors import render as render_module
from processors.recipe import Chroma, Fit, Format, Gravity, Metadata
from processors.recipe_file import load_folder
from processors.vips import open_image
from schemas.errors import Permanent, Reason
from schemas.events import Attributes, FocusPoint
from tests.processors.builders import (
    Pixels,
    decoded,
    difference,
    facts,
    file_of,
    jpeg,
    only,
    picture,
    recipe,
    reference,
    rendered,
    spec,
    with_alpha,
)
from tests.processors.test_geometry import specs

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.recipe import VariantSpec
    from processors.vips import Image as VipsImage

_PIXELS = picture(330, 220)
_CLOSE = 1.0
"""Mean difference, in steps of 8 bits, that two good ways of resizing may have."""


def test_a_variant_is_what_an_independent_resize_makes() -> None:
    """Size exact, pixels as Pillow's within a step; also far down, through the whole cascade."""
    variants = [spec(f"w{width}", width=width) for width in (200, 100, 50, 25)]
    for variant in rendered(file_of(_PIXELS), *variants).variants:
        expected = reference(_PIXELS, variant.width, variant.height)
        assert difference(decoded(variant.data), expected) < _CLOSE
    assert [variant.width for variant in rendered(file_of(_PIXELS), *variants).variants] == [200, 100, 50, 25]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_comes_out_upright(kind: str, orientation: int) -> None:
    """All eight ways to hold a camera, also where the loader shrinks; and the output says upright."""
    turns: dict[int, Callable[[Pixels], Pixels]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a.transpose(1, 0, 2)[::-1],
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(turns[orientation](_PIXELS))
    quality = {} if kind == "PNG" else {"quality": 95}
    variant = only(file_of(stored, kind, exif=exif, **quality), spec(width=100, metadata=Metadata.KEEP))
    assert (variant.width, variant.height) == (100, 67)
    assert difference(decoded(variant.data), reference(_PIXELS, 100, 67)) < 2.5
    assert Image.open(io.BytesIO(variant.data)).getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("kind", Format)
def test_every_format_holds_the_picture(kind: Format) -> None:
    """The bytes are what the content type says, of the announced size, and look like the source."""
    variant = only(file_of(_PIXELS), spec(kind=kind, width=200, chroma=_full_chroma(kind)))
    image = Image.open(io.BytesIO(variant.data))
    assert (image.format or "").lower() == kind.value
    assert (variant.content_type, variant.extension) == (kind.content_type, kind.extension)
    assert image.size == (variant.width, variant.height) == (200, 133)
    assert difference(decoded(variant.data), reference(_PIXELS, 200, 133)) < 4


def _full_chroma(kind: Format) -> Chroma:
    return Chroma.FULL if kind in {Format.JPEG, Format.AVIF} else Chroma.HALF


def test_quality_and_effort_reach_the_encoders() -> None:
    """Less quality is fewer bytes; more effort other bytes; progressive, lossless and chroma are as asked."""

    def size(kind: Format, **keys: Any) -> int:  # noqa: ANN401 - a variant's keys
        return len(only(file_of(_PIXELS), spec(kind=kind, **keys)).data)

    for kind in (Format.JPEG, Format.WEBP, Format.AVIF):
        assert size(kind, quality=30) < size(kind, quality=90)
    for kind, efforts in ((Format.JPEG, (0, 1, 2, 3)), (Format.WEBP, (0, 4)), (Format.PNG, (1, 9))):
        sizes = [size(kind, effort=effort) for effort in efforts]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(sizes)) == len(sizes)
    assert size(Format.JPEG, chroma=Chroma.FULL) > size(Format.JPEG)
    progressive = only(file_of(_PIXELS), spec(kind=Format.JPEG, progressive=True, effort=0)).data
    assert Image.open(io.BytesIO(progressive)).info.get("progressive")
    lossless = only(file_of(_PIXELS), spec(kind=Format.WEBP, lossless=True)).data
    assert difference(decoded(lossless), _PIXELS) == 0


def test_equal_input_gives_equal_bytes() -> None:
    """For every format: objects are named by the hash of their bytes."""
    variants = [spec(kind.value, kind, width=90) for kind in Format]
    data = jpeg(_PIXELS)
    assert rendered(data, *variants) == rendered(data, *variants)


def test_nothing_is_enlarged_unless_asked() -> None:
    """A small source is passed on at its own size; with upscale it fills the box."""
    small = file_of(picture(30, 20))
    box: dict[str, Any] = {"width": 60, "height": 60, "fit": Fit.FILL}
    assert _size(small, width=100) == (30, 20)
    assert _size(small, **box) == (30, 20)
    assert _size(small, **box, upscale=True) == (60, 60)
    assert _size(small, width=60, upscale=True) == (60, 40)


def _size(data: bytes, **keys: Any) -> tuple[int, int]:  # noqa: ANN401 - a variant's keys
    variant = only(data, spec(**keys))
    assert Image.open(io.BytesIO(variant.data)).size == (variant.width, variant.height)
    return variant.width, variant.height


def test_a_crop_keeps_what_gravity_or_the_focus_point_says() -> None:
    """The kept part is cut out of the resized whole, pixel by pixel."""
    whole = decoded(only(file_of(_PIXELS), spec(height=100)).data)
    box: dict[str, Any] = {"width": 60, "height": 100, "fit": Fit.FILL}
    east = only(file_of(_PIXELS), spec(gravity=Gravity.EAST, **box))
    focused = only(file_of(_PIXELS), spec(gravity=Gravity.FOCUS, **box), Attributes(focus=FocusPoint(0.4, 0.5)))
    assert difference(decoded(east.data), whole[:, -60:]) == 0
    assert difference(decoded(focused.data), whole[:, 30:90]) == 0


def test_transparency_is_kept_or_laid_on_the_background() -> None:
    """PNG, WebP and AVIF keep it; JPEG gets white, or the background of the recipe; a background wins everywhere."""
    data = file_of(with_alpha(_PIXELS))
    for kind in (Format.PNG, Format.WEBP, Format.AVIF):
        assert decoded(only(data, spec(kind=kind, width=99)).data, "RGBA")[33, 49, 3] < 20
    white = decoded(only(data, spec(kind=Format.JPEG, width=99)).data)
    orange = decoded(only(data, spec(kind=Format.JPEG, width=99, background="#ff8000")).data)
    flat = Image.open(io.BytesIO(only(data, spec(width=99, background="#ff8000")).data))
    assert white[33, 49].min() > 250
    assert np.abs(orange[33, 49].astype(int) - (255, 128, 0)).max() < 8
    assert (flat.mode, flat.getpixel((49, 33))) == ("RGB", (255, 128, 0))


def test_hidden_colours_of_transparent_pixels_do_not_bleed() -> None:
    """A transparent red beside opaque blue must not leave a red rim."""
    pixels = np.zeros((100, 100, 4), dtype=np.uint8)
    pixels[:, :50], pixels[:, 50:] = (0, 0, 255, 255), (255, 0, 0, 0)
    small = decoded(only(file_of(pixels), spec(width=33)).data, "RGBA")
    assert small[..., 0][small[..., 3] > 0].max() < 8


def test_wide_gamut_and_print_colours_come_out_as_srgb() -> None:
    """Display P3 and CMYK with a profile are converted; no profile is left in the output."""
    source = pyvips.Image.new_from_array(_PIXELS, interpretation="srgb")
    p3 = source.icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=95, keep="icc")
    cmyk = source.icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=95, keep="icc")
    for data, tolerance in ((p3, 2.0), (cmyk, 12.0)):
        variant = only(data, spec(width=100))
        assert "icc_profile" not in Image.open(io.BytesIO(variant.data)).info
        assert difference(decoded(variant.data), reference(_PIXELS, 100, 67)) < tolerance
    unconverted = np.asarray(Image.open(io.BytesIO(p3)).resize((100, 67)))
    assert difference(unconverted, reference(_PIXELS, 100, 67)) > 4  # else the test above would prove nothing


def test_a_profile_is_honoured_beside_transparency_and_in_16_bits() -> None:
    """The colours are converted, the transparency is not."""
    pixels = with_alpha(_PIXELS)
    source = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    p3 = source.icc_transform("p3", input_profile="srgb")
    deep = source.icc_transform("p3", input_profile="srgb", depth=16)
    expected = decoded(only(file_of(pixels), spec(width=110)).data, "RGBA")
    for image in (p3, deep):
        found = decoded(only(image.pngsave_buffer(keep="icc"), spec(width=110)).data, "RGBA")
        assert difference(found[..., 3], expected[..., 3]) < _CLOSE
        seen = expected[..., 3] > 60
        assert np.abs(found[seen].astype(int) - expected[seen]).mean() < 2.5


def test_cmyk_without_a_profile_is_not_inverted_or_lost() -> None:
    """Adobe's inverted CMYK JPEGs, as they come out of old print tools, keep their light and dark."""
    plain = io.BytesIO()
    Image.fromarray(_PIXELS).convert("CMYK").save(plain, "JPEG", quality=95)
    found = decoded(only(plain.getvalue(), spec(width=100)).data, "L").astype(float)
    expected = np.asarray(Image.fromarray(reference(_PIXELS, 100, 67)).convert("L")).astype(float)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9


def test_deep_grey_and_palette_sources_come_out_in_8_bits() -> None:
    """16-bit colour and grey, one bit, palettes with and without transparency look as they did."""
    small = reference(_PIXELS, 110, 73)
    deep = pyvips.Image.new_from_array(_PIXELS.astype(np.uint16) * 257, interpretation="rgb16")
    assert difference(decoded(only(deep.pngsave_buffer(), spec(width=110)).data), small) < _CLOSE
    grey = np.asarray(Image.fromarray(_PIXELS).convert("L"))
    found = Image.open(io.BytesIO(only(file_of(grey), spec(width=110)).data))
    assert found.mode == "L"
    assert difference(np.asarray(found), reference(grey, 110, 73)) < _CLOSE
    deep_grey = file_of(grey.astype(np.uint16) * 257)
    assert difference(decoded(only(deep_grey, spec(width=110)).data, "L"), reference(grey, 110, 73)) < _CLOSE
    bits = io.BytesIO()
    Image.fromarray(grey).convert("1").save(bits, "PNG")
    assert abs(decoded(only(bits.getvalue(), spec(width=110)).data, "L").mean() - grey.mean()) < 4
    palette = io.BytesIO()
    Image.fromarray(_PIXELS).quantize(256).save(palette, "PNG", transparency=3)
    assert difference(decoded(only(palette.getvalue(), spec(width=110)).data), small) < 8


def test_deep_transparency_keeps_its_scale() -> None:
    """16-bit alpha becomes 8-bit alpha, not 8-bit noise."""
    pixels = with_alpha(_PIXELS)
    deep = pyvips.Image.new_from_array(pixels.astype(np.uint16) * 257, interpretation="rgb16").pngsave_buffer()
    found = decoded(only(deep, spec(width=110)).data, "RGBA")
    expected = decoded(only(file_of(pixels), spec(width=110)).data, "RGBA")
    assert difference(found, expected) < 2  # the 8-bit source is itself a step off where it is nearly transparent


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    """A still output shows what a viewer shows before it plays."""
    frames = [Image.fromarray(np.roll(_PIXELS, 60 * index, axis=1)) for index in range(4)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=50)
    assert difference(decoded(only(out.getvalue(), spec(width=110)).data), reference(_PIXELS, 110, 73)) < 6


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 20_000), (20_000, 1), (3, 500)])
def test_the_smallest_and_the_longest_images_render(width: int, height: int) -> None:
    """Every shipped recipe copes with one pixel and with a line of 20 000."""
    for shipped in load_folder(None).values():
        result = rendered(file_of(picture(width, height)), *shipped.variants)
        for variant in result.variants:
            assert Image.open(io.BytesIO(variant.data)).size == (variant.width, variant.height)
        assert result.thumbhash


@pytest.mark.parametrize("kind", Format)
def test_a_single_pixel_goes_through_every_encoder(kind: Format) -> None:
    """Also with transparency, which takes a way of its own."""
    for pixels in (picture(1, 1), with_alpha(picture(1, 1))):
        data = only(file_of(pixels), spec(kind=kind, width=50)).data
        assert Image.open(io.BytesIO(data)).size == (1, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), specs())
def test_every_output_has_exactly_the_planned_size(width: int, height: int, variant: VariantSpec) -> None:
    """Whatever the source, the box and the fit: what is announced is what is in the file."""
    assume(not variant.upscale or max(variant.width or 0, variant.height or 0) < 500)
    made = only(file_of(picture(width, height)), replace(variant, effort=1))
    assert Image.open(io.BytesIO(made.data)).size == (made.width, made.height)


def test_a_10_bit_avif_renders() -> None:
    """Phones write them; they are decoded to 16 bits."""
    image = pyvips.Image.new_from_array(_PIXELS.astype(np.uint16) * 257, interpretation="rgb16")
    data = image.heifsave_buffer(compression="av1", bitdepth=10, Q=90, effort=0)
    assert difference(decoded(only(data, spec(width=110)).data), reference(_PIXELS, 110, 73)) < 3


def test_a_gain_map_is_dropped() -> None:
    """An Ultra HDR photograph renders as its standard picture; no variant, flattened or not, carries the map."""
    hdr = (pyvips.Image.new_from_array(_PIXELS, interpretation="srgb").colourspace("scrgb") * 2).uhdrsave_buffer()
    assert b"GainMap" in hdr
    for variant in rendered(hdr, *[spec(kind.value, kind, width=100) for kind in Format]).variants:
        assert b"GainMap" not in variant.data
        assert variant.width == 100


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


def test_a_source_is_opened_once_however_many_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    """One decode feeds all of them, also where two levels are made of it."""
    opened: list[str] = []

    def counting(data: bytes, source: Any, **options: float) -> VipsImage:  # noqa: ANN401 - passed on
        opened.append(source)
        return open_image(data, source, **options)

    monkeypatch.setattr(render_module, "open_image", counting)
    variants = [spec(f"w{width}", width=width) for width in (330, 300, 200, 150, 50)]
    assert len(rendered(file_of(_PIXELS), *variants).variants) == 5
    assert opened == ["png"]


def test_facts_of_another_file_do_not_crash_the_renderer() -> None:
    """A plan for other facts yields the planned size; nothing in it is taken for a promise about memory."""
    result = render_module.render(file_of(_PIXELS), facts(40, 30, format="png"), recipe(spec(width=20)), Attributes())
    assert Image.open(io.BytesIO(result.variants[0].data)).size == (20, 15)


def test_the_summary_describes_the_picture() -> None:
    """Thumbhash and dominant colour come with every rendering, transparent parts left out."""
    pixels = np.zeros((60, 90, 4), dtype=np.uint8)
    pixels[:, 30:] = (20, 130, 70, 255)
    result = rendered(file_of(pixels), spec(width=45))
    assert result.dominant_colour == "#148246"
    assert len(result.thumbhash) > 10
