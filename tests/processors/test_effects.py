"""Blur, sharpening, grey and kept profiles are what Pillow, numpy and LittleCMS make of the same pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from processors.plan import make_plan
from processors.recipe import Chroma, Format, Profile
from schemas.events import Attributes
from tests.processors.builders import (
    Pixels,
    decoded,
    difference,
    facts,
    file_of,
    only,
    picture,
    recipe,
    reference,
    rendered,
    spec,
    with_alpha,
)

_PIXELS = picture(330, 220)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_a_blur_is_a_gaussian_of_that_many_pixels_of_the_result(sigma: float) -> None:
    """As numpy's, but for the rim."""
    noise = file_of(np.random.default_rng(5).integers(0, 256, (220, 330, 3), dtype=np.uint8))
    found = decoded(only(noise, spec(width=165, blur=sigma)).data)
    plain = decoded(only(noise, spec(width=165)).data)
    rim = round(4 * sigma)
    taps = np.exp(-(np.arange(-rim, rim + 1) ** 2) / (2 * sigma**2))
    expected = plain.astype(float)
    for axis in (0, 1):
        expected = np.apply_along_axis(np.convolve, axis, expected, taps / taps.sum(), mode="valid")
    assert np.abs(found[rim:-rim, rim:-rim] - expected).mean() < 0.5
    assert difference(found, plain) > 10


def test_sharpening_adds_the_difference_to_a_slight_blur() -> None:
    """To the step, by numpy."""
    plain = decoded(only(file_of(_PIXELS), spec(width=165)).data).astype(float)
    padded = np.pad(plain, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    blurred = (across[:-2] + 2 * across[1:-1] + across[2:]) / 16
    expected = np.clip(plain + 0.75 * (plain - blurred), 0, 255)
    found = decoded(only(file_of(_PIXELS), spec(width=165, sharpen=0.75)).data).astype(float)
    assert np.abs(found - expected).max() <= 1.0
    assert np.abs(found - plain).max() > 8


def test_only_what_was_made_smaller_is_sharpened() -> None:
    """A picture that keeps its size, or is enlarged, has lost nothing."""
    cases: list[dict[str, Any]] = [{}, {"width": 400, "upscale": True}]
    for keys in cases:
        sharp, plain = (decoded(only(file_of(_PIXELS), spec(sharpen=s, **keys)).data) for s in (2.0, 0.0))
        assert difference(sharp, plain) == 0


def test_effects_do_not_draw_hidden_colours_out_of_transparent_pixels() -> None:
    """A transparent red beside opaque blue leaves no red rim."""
    pixels = np.zeros((100, 100, 4), dtype=np.uint8)
    pixels[:, :50], pixels[:, 50:] = (0, 0, 255, 255), (255, 0, 0, 0)
    cases: list[dict[str, Any]] = [{"blur": 3.0}, {"sharpen": 2.0}]
    for keys in cases:
        found = decoded(only(file_of(pixels), spec(width=50, **keys)).data, "RGBA")
        assert found[..., 0][found[..., 3] > 0].max() < 8


def test_grey_is_luminance() -> None:
    """Of linear light, as numpy computes it; transparency stays, and the file has no colours left."""
    linear = (_PIXELS / 255.0 + 0.055) / 1.055
    linear = np.where(_PIXELS <= 10, _PIXELS / 255.0 / 12.92, linear**2.4) @ np.array([0.2126, 0.7152, 0.0722])
    expected = 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    found = Image.open(io.BytesIO(only(file_of(_PIXELS), spec(grey=True)).data))
    assert found.mode == "L"
    assert np.abs(np.asarray(found).astype(float) - expected).mean() < 1.0
    assert Image.open(io.BytesIO(only(file_of(with_alpha(_PIXELS)), spec(grey=True)).data)).mode == "LA"
    orange = decoded(only(file_of(with_alpha(_PIXELS)), spec(grey=True, background="#ff8000")).data)
    assert tuple(orange[110, 165]) == (255, 128, 0)


def wide(depth: int = 8) -> bytes:
    """Return the picture in Display P3."""
    source = pyvips.Image.new_from_array(_PIXELS, interpretation="srgb")
    p3 = source.icc_transform("p3", input_profile="srgb", depth=depth)
    return bytes(p3.pngsave_buffer(keep="icc"))


def seen(data: bytes) -> Pixels:
    """Return a file in sRGB by LittleCMS, following the profile that it carries."""
    image = Image.open(io.BytesIO(data))
    own = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    shown = ImageCms.profileToProfile(image.convert("RGB"), own, ImageCms.createProfile("sRGB"))
    return np.asarray(shown)


@pytest.mark.parametrize("kind", [kind for kind in Format if kind is not Format.GIF])
@pytest.mark.parametrize("depth", [8, 16])
def test_display_p3_stays_display_p3_where_asked(kind: Format, depth: int) -> None:
    """The pixels are the source's, the profile is in the file, and a reader that follows it sees the same picture."""
    keys: dict[str, Any] = {"chroma": Chroma.FULL} if kind in {Format.JPEG, Format.AVIF} else {}
    kept = only(wide(depth), spec(kind=kind, width=165, profile=Profile.KEEP, quality=_quality(kind), **keys)).data
    assert difference(seen(kept), reference(_PIXELS, 165, 110)) < 3.5
    raw = reference(np.asarray(Image.open(io.BytesIO(wide()))), 165, 110)
    assert difference(decoded(kept), raw) < 3.5
    assert difference(raw, reference(_PIXELS, 165, 110)) > 4  # else the two checks above would be one


def _quality(kind: Format) -> int | None:
    return None if kind is Format.PNG else 95


def test_kept_and_converted_variants_come_from_one_decode() -> None:
    """Each has levels of its own; what there is of the summary is in sRGB."""
    kept, plain = (spec(name, width=100, profile=Profile(name)) for name in ("keep", "srgb"))
    plan = make_plan(facts(has_profile=True), recipe(kept, plain), Attributes())
    assert [level.kept for level in plan.levels] == [False, True]
    assert plan.decode.keep
    both = rendered(wide(), kept, plain)
    assert "icc_profile" not in Image.open(io.BytesIO(both.variants[1].data)).info
    assert both.dominant_colour == rendered(wide(), plain).dominant_colour == rendered(wide(), kept).dominant_colour


@pytest.mark.parametrize("keys", [{"colour_space": "cmyk", "has_profile": True}, {"has_profile": False}])
def test_there_is_nothing_to_keep_of_print_colours_or_of_srgb(keys: dict[str, Any]) -> None:
    """They become, or are, sRGB without a profile: one level serves both."""
    variants = [spec(name, width=100, profile=Profile(name)) for name in ("keep", "srgb")]
    plan = make_plan(facts(**keys), recipe(*variants), Attributes())
    assert [level.kept for level in plan.levels] == [False]
    assert plan.outputs[1].same_as == "keep"
