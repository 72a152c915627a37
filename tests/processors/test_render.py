"""Rendering carries out the plan: sizes, crops, upright pictures, every format, one decode."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from processors import render as render_module
from processors.recipe import Chroma, Fit, Format, Gravity, Metadata
from processors.recipe_file import load_folder
from processors.vips import open_image
from schemas.events import Attributes, FocusPoint
from tests.processors.builders import (
    Pixels,
    decoded,
    difference,
    file_of,
    jpeg,
    only,
    picture,
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


def test_another_process_gives_the_same_bytes() -> None:
    """Without the same memory, hash seed or history: what a retry on another worker uploads is the same object."""
    code = (
        "import sys, hashlib; from tests.processors.builders import *; from processors.vips import configure_vips;"
        "configure_vips(); file = jpeg(picture(330, 220));"
        "made = rendered(file, *[spec(kind.value, kind, width=90) for kind in Format]).variants;"
        "print(*[hashlib.sha256(variant.data).hexdigest() for variant in made])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "VIPS_CONCURRENCY": "3"}
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    here = rendered(jpeg(_PIXELS), *[spec(kind.value, kind, width=90) for kind in Format]).variants
    assert there.stdout.split() == [hashlib.sha256(variant.data).hexdigest() for variant in here]


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
