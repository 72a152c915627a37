"""Turns, parts, trims and canvases: what is planned for them, and that the pixels are those that numpy cuts out."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from processors.geometry import Crop, Search, Size
from processors.layout import lay_out, turned_focus, unturned, upright
from processors.plan import make_plan
from processors.recipe import Fit, Flip, Format, Gravity, VariantSpec, is_part
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
    from numpy.typing import NDArray

_PIXELS = picture(330, 220)
_TURNS = [(rotate, flip) for rotate in (0, 90, 180, 270) for flip in Flip]


def turned(pixels: NDArray[Any], rotate: int, flip: Flip) -> NDArray[Any]:
    """Turn by numpy: clockwise, then mirrored."""
    pixels = np.rot90(pixels, -rotate // 90)
    axis = {Flip.HORIZONTAL: 1, Flip.VERTICAL: 0}.get(flip)
    return np.ascontiguousarray(pixels if axis is None else np.flip(pixels, axis))


@pytest.mark.parametrize(("rotate", "flip"), _TURNS)
def test_a_turn_comes_before_everything_else(rotate: int, flip: Flip) -> None:
    """Box, gravity and focus mean the turned picture: the same as rendering a file that was turned before."""
    box: dict[str, Any] = {"width": 60, "height": 100, "fit": Fit.FILL}
    before = file_of(turned(_PIXELS, rotate, flip))
    for keys in ({"width": 100}, {**box, "gravity": Gravity.NORTH_WEST}, {**box, "gravity": Gravity.SOUTH_EAST}):
        ours = decoded(only(file_of(_PIXELS), spec(rotate=rotate, flip=flip, **keys)).data)
        assert difference(ours, decoded(only(before, spec(**keys)).data)) < 0.5


@pytest.mark.parametrize(("rotate", "flip"), _TURNS)
def test_the_focus_point_turns_with_the_picture(rotate: int, flip: Flip) -> None:
    """A mark at the focus point is where the turned focus point is."""
    pixels = np.zeros((200, 400), dtype=np.uint8)
    pixels[50, 100] = 1
    marked = turned(pixels, rotate, flip)
    y, x = np.argwhere(marked)[0]
    point = turned_focus(FocusPoint(100.5 / 400, 50.5 / 200), spec(rotate=rotate, flip=flip))
    assert point is not None
    assert (int(point.x * marked.shape[1]), int(point.y * marked.shape[0])) == (x, y)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(_TURNS), st.data())
def test_a_crop_carried_back_is_the_same_pixels(
    width: int, height: int, turn: tuple[int, Flip], data: st.DataObject
) -> None:
    """Cutting the turned picture, and turning what was cut, are one."""
    pixels = np.arange(width * height, dtype=np.int32).reshape(height, width)
    seen = turned(pixels, *turn)
    left = data.draw(st.integers(0, seen.shape[1] - 1))
    top = data.draw(st.integers(0, seen.shape[0] - 1))
    size = Size(data.draw(st.integers(1, seen.shape[1] - left)), data.draw(st.integers(1, seen.shape[0] - top)))
    variant = spec(rotate=turn[0], flip=turn[1])
    back = unturned(Crop(left, top, size), Size(seen.shape[1], seen.shape[0]), variant)
    assert isinstance(back, Crop)
    cut = pixels[back.top : back.top + back.size.height, back.left : back.left + back.size.width]
    assert (turned(cut, *turn) == seen[top : top + size.height, left : left + size.width]).all()


def test_a_part_is_cut_out_of_the_level_that_fits_it() -> None:
    """The whole image is made as large as its part needs, so that variants can share it."""
    half = spec("half", width=100, crop=(0.5, 0.0, 0.5, 1.0))
    layout = lay_out(Size(4000, 3000), half, None)
    assert (str(layout.level), str(layout.crop), str(layout.size)) == ("200x150", "100x150 at 100,0", "100x150")
    shared = make_plan(facts(4000, 3000), recipe(half, spec("whole", width=200)), Attributes())
    assert len(shared.levels) == 1


@pytest.mark.parametrize("part", [(0.5, 0.0, 0.5, 1.0), (0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 0.01, 0.01)])
def test_a_part_looks_as_if_only_it_had_been_uploaded(part: tuple[float, float, float, float]) -> None:
    """By Pillow's crop and resize."""
    left, top, width, height = (round(one * side) for one, side in zip(part, (330, 220, 330, 220), strict=True))
    alone = np.ascontiguousarray(_PIXELS[top : top + height, left : left + width])
    variant = only(file_of(_PIXELS), spec(width=80, crop=part))
    assert difference(decoded(variant.data), reference(alone, variant.width, variant.height)) < 1.5


def test_a_focus_point_means_the_whole_upload_also_for_a_part() -> None:
    """A point right of the part leads to the part's right edge."""
    variant = spec(width=50, height=100, fit=Fit.FILL, gravity=Gravity.FOCUS, crop=(0.0, 0.0, 0.5, 1.0))
    assert str(lay_out(Size(200, 100), variant, FocusPoint(0.9, 0.5)).crop) == "50x100 at 50,0"
    assert str(lay_out(Size(200, 100), variant, FocusPoint(0.25, 0.5)).crop) == "50x100 at 25,0"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), specs(), st.sampled_from(_TURNS), st.tuples(*[st.floats(0, 1)] * 4))
def test_every_part_and_turn_has_exactly_the_planned_size(
    width: int, height: int, variant: VariantSpec, turn: tuple[int, Flip], part: tuple[float, ...]
) -> None:
    """Whatever the source, the part, the turn and the box: what is announced is what is in the file."""
    assume(max(variant.width or 0, variant.height or 0) < 2000)
    left, top = min(part[0], 0.9), min(part[1], 0.9)
    crop = (left, top, (1 - left) * max(part[2], 0.01), (1 - top) * max(part[3], 0.01))
    assume(is_part(crop))
    asked = replace(variant, effort=1, rotate=turn[0], flip=turn[1], crop=crop, upscale=False)
    made = only(file_of(picture(width, height)), asked, Attributes(focus=FocusPoint(0.8, 0.1)))
    assert Image.open(io.BytesIO(made.data)).size == (made.width, made.height)


def framed(pixels: Pixels, colour: int) -> Pixels:
    """Put a border of 13, 7, 20 and 5 pixels around a picture."""
    return np.pad(pixels, ((13, 20), (7, 5), (0, 0)), constant_values=colour)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_border_is_cut_off_to_the_pixel_whatever_way_the_camera_was_held(orientation: int) -> None:
    """What is left is as if the picture had been uploaded without it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    framed_file, plain = file_of(framed(_PIXELS, 250), exif=exif), file_of(_PIXELS, exif=exif)
    ours, alone = only(framed_file, spec(width=100, trim=10)), only(plain, spec(width=100))
    assert (ours.width, ours.height) == (alone.width, alone.height)
    assert difference(decoded(ours.data), decoded(alone.data)) < 1.5


def test_a_border_of_noise_or_of_nothing_is_cut_off_and_a_plain_picture_is_left_alone() -> None:
    """A JPEG's noise is below the default threshold; transparency is a border too."""
    assert _trimmed(jpeg(framed(_PIXELS, 255), subsampling=0, quality=95), trim=20) == (330, 220)
    hidden = np.dstack([framed(_PIXELS, 90), np.pad(np.full((220, 330), 255, np.uint8), ((13, 20), (7, 5)))])
    assert _trimmed(file_of(hidden), trim=10) == (330, 220)
    assert _trimmed(file_of(np.full((40, 60, 3), 77, np.uint8)), trim=10) == (60, 40)
    assert _trimmed(file_of(framed(_PIXELS, 250))) == (342, 253)


def test_only_the_variant_that_asks_is_trimmed() -> None:
    """From the same decode, at full size."""
    made = rendered(file_of(framed(_PIXELS, 250)), spec("all"), spec("inner", trim=10)).variants
    assert [(variant.width, variant.height) for variant in made] == [(342, 253), (330, 220)]
    plan = make_plan(facts(4000, 3000), recipe(spec(width=100, trim=7)), Attributes())
    assert (plan.decode.shrink, plan.decode.keep, plan.decode.trim) == (1, True, 7)


def _trimmed(data: bytes, **keys: Any) -> tuple[int, int]:  # noqa: ANN401 - a variant's keys
    variant = only(data, spec(**keys))
    return variant.width, variant.height


@pytest.mark.parametrize(("orientation", "expected"), [(1, (1, 2)), (3, (6, 4)), (6, (4, 1)), (8, (2, 6))])
def test_a_place_in_the_stored_image_is_found_in_the_upright_one(orientation: int, expected: tuple[int, int]) -> None:
    """Three pixels by two in ten by eight."""
    crop = upright(Crop(1, 2, Size(3, 2)), Size(10, 8), orientation)
    assert (crop.left, crop.top) == expected


def test_padding_makes_exactly_the_box() -> None:
    """With the picture where gravity says, on the background, on white, or on nothing."""
    box: dict[str, Any] = {"width": 150, "height": 150, "fit": Fit.PAD}
    inner = decoded(only(file_of(_PIXELS), spec(width=150, height=150)).data)
    blue = decoded(only(file_of(_PIXELS), spec(gravity=Gravity.SOUTH, background="#0000ff", **box)).data)
    assert blue.shape == (150, 150, 3)
    assert difference(blue[50:], inner) == 0
    assert (blue[:50] == (0, 0, 255)).all()
    clear = decoded(only(file_of(_PIXELS), spec(**box)).data, "RGBA")
    assert (clear[:25, :, 3].max(), clear[25:125, :, 3].min(), clear[125:, :, 3].max()) == (0, 255, 0)
    white = decoded(only(file_of(_PIXELS), spec(kind=Format.JPEG, **box)).data)
    assert white[:16].min() > 250
    small = only(file_of(picture(30, 20)), spec(**box))
    assert (small.width, small.height) == (150, 150)


def test_padding_serves_grey_and_transparent_pictures_too() -> None:
    """A grey picture may get a coloured surround; a transparent one is laid on it."""
    box: dict[str, Any] = {"width": 100, "height": 100, "fit": Fit.PAD, "background": "#ff8000"}
    for pixels in (np.asarray(Image.fromarray(_PIXELS).convert("L")), with_alpha(_PIXELS)):
        data = decoded(only(file_of(pixels), spec(**box)).data)
        assert data.shape == (100, 100, 3)
        assert (data[:16] == (255, 128, 0)).all()


def test_force_distorts_to_the_box() -> None:
    """As Pillow's resize does when it is told both sides."""
    variant = only(file_of(_PIXELS), spec(width=100, height=120, fit=Fit.FORCE))
    assert difference(decoded(variant.data), reference(_PIXELS, 100, 120)) < 1.0


@pytest.mark.parametrize("gravity", [Gravity.ATTENTION, Gravity.ENTROPY])
@pytest.mark.parametrize("width", [400, 1600])
def test_a_smart_crop_keeps_what_stands_out(gravity: Gravity, width: int) -> None:
    """One patch of strong colour and texture in a plain picture, far from the centre, is inside the crop."""
    pixels = np.full((width // 2, width, 3), 128, dtype=np.uint8)
    patch = width // 8
    noise = np.random.default_rng(7).integers(0, 256, (patch, patch, 1), dtype=np.uint8)
    pixels[patch : 2 * patch, -2 * patch : -patch] = noise * np.array([1, 0, 0], np.uint8) + np.array([0, 90, 40])
    box: dict[str, Any] = {"width": 100, "height": 100, "fit": Fit.FILL}
    smart = decoded(only(file_of(pixels), spec(gravity=gravity, **box)).data).astype(int)
    centre = decoded(only(file_of(pixels), spec(**box)).data).astype(int)
    assert smart[..., 2].min() < 70
    assert centre[..., 2].min() > 100


def test_a_smart_crop_is_searched_in_one_level_for_every_size() -> None:
    """Variants of one shape show the same part; sizes are known before the pixels are."""
    squares = [
        spec(f"s{side}", width=side, height=side, fit=Fit.FILL, gravity=Gravity.ATTENTION) for side in (800, 400, 200)
    ]
    plan = make_plan(facts(4000, 3000), recipe(*squares), Attributes())
    assert [str(output.size) for output in plan.outputs] == ["800x800", "400x400", "200x200"]
    assert plan.search == 2
    crop = plan.outputs[0].crop
    assert isinstance(crop, Search)
    assert str(crop) == "800x800 where attention finds it"
    large, small = (decoded(variant.data) for variant in rendered(file_of(picture(1200, 900)), *squares).variants[::2])
    assert difference(reference(large, 200, 200), small) < 4
