"""Colours and transparency come out as they were meant, whatever the source holds them in."""

from __future__ import annotations

import io

import numpy as np
import pyvips
from PIL import Image

from processors.recipe import Format
from tests.processors.builders import (
    decoded,
    difference,
    file_of,
    only,
    picture,
    reference,
    rendered,
    spec,
    with_alpha,
)

_PIXELS = picture(330, 220)
_CLOSE = 1.0
"""Mean difference, in steps of 8 bits, that two good ways of resizing may have."""


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


def test_the_summary_describes_the_picture() -> None:
    """Thumbhash and dominant colour come with every rendering, transparent parts left out."""
    pixels = np.zeros((60, 90, 4), dtype=np.uint8)
    pixels[:, 30:] = (20, 130, 70, 255)
    result = rendered(file_of(pixels), spec(width=45))
    found = bytes.fromhex(result.dominant_colour[1:])
    assert all(abs(one - other) <= 1 for one, other in zip(found, (20, 130, 70), strict=True))
    assert len(result.thumbhash) > 10
