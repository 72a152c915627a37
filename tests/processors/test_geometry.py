"""Sizes and crops are exact: what a box and a way of fitting make of an image."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.geometry import MAX_OUTPUT_PIXELS, Crop, Search, Size, cropped, resized
from processors.recipe import MAX_SIDE, Fit, Gravity, VariantSpec, crops
from schemas.events import FocusPoint
from tests.processors.builders import spec

_SIDES = st.one_of(st.integers(1, 300), st.integers(1, 40_000))
_BOXES = st.one_of(st.integers(1, 300), st.integers(1, MAX_SIDE))
_SIZES = st.builds(Size, _SIDES, _SIDES)


@st.composite
def specs(draw: st.DrawFn) -> VariantSpec:
    """Draw any variant that is allowed, as far as geometry goes."""
    fit = draw(st.sampled_from(Fit))
    optional = st.none() if fit is Fit.FIT else st.nothing()
    return spec(
        fit=fit,
        width=draw(_BOXES | optional),
        height=draw(_BOXES | optional),
        gravity=draw(st.sampled_from(Gravity)),
        upscale=draw(st.booleans()),
    )


def outcome(source: Size, variant: VariantSpec, focus: FocusPoint | None = None) -> tuple[str, str]:
    """Return the resized size and the crop as text."""
    whole = resized(source, variant)
    return str(whole), str(cropped(whole, variant, focus))


@pytest.mark.parametrize(
    ("keys", "source", "expected"),
    [
        ({"width": 1280}, (4000, 3000), ("1280x960", "None")),
        ({"height": 100}, (4000, 3000), ("133x100", "None")),
        ({"width": 100, "height": 100}, (4000, 3000), ("100x75", "None")),
        ({}, (4000, 3000), ("4000x3000", "None")),
        ({"width": 1280}, (400, 300), ("400x300", "None")),
        ({"width": 1280, "upscale": True}, (400, 300), ("1280x960", "None")),
        ({"width": 10}, (20_000, 1), ("10x1", "None")),
        ({"fit": Fit.FILL, "width": 200, "height": 200}, (4000, 3000), ("267x200", "200x200 at 33,0")),
        ({"fit": Fit.FILL, "width": 400, "height": 200}, (300, 300), ("300x300", "300x200 at 0,50")),
        ({"fit": Fit.FILL, "width": 600, "height": 600}, (300, 200), ("300x200", "None")),
        (
            {"fit": Fit.FILL, "width": 600, "height": 600, "upscale": True},
            (300, 200),
            ("900x600", "600x600 at 150,0"),
        ),
        ({"fit": Fit.FILL_DOWN, "width": 400, "height": 200}, (300, 300), ("300x300", "300x150 at 0,75")),
        ({"fit": Fit.FILL_DOWN, "width": 600, "height": 600}, (300, 200), ("300x200", "200x200 at 50,0")),
        ({"fit": Fit.COVER, "width": 200, "height": 200}, (4000, 3000), ("267x200", "None")),
        ({"fit": Fit.COVER, "width": 600, "height": 600}, (300, 200), ("300x200", "None")),
        ({"fit": Fit.FORCE, "width": 200, "height": 200}, (4000, 3000), ("200x200", "None")),
        ({"fit": Fit.FORCE, "width": 600, "height": 100}, (300, 200), ("300x100", "None")),
        ({"fit": Fit.FORCE, "width": 600, "height": 100, "upscale": True}, (300, 200), ("600x100", "None")),
        ({"fit": Fit.PAD, "width": 200, "height": 200}, (4000, 3000), ("200x150", "None")),
        ({"width": 200, "min_height": 200}, (4000, 3000), ("267x200", "None")),
        ({"width": 200, "min_height": 200}, (400, 100), ("400x100", "None")),
        ({"width": 200, "min_height": 200, "upscale": True}, (400, 100), ("800x200", "None")),
        ({"max_pixels": 10_000}, (4000, 3000), ("115x86", "None")),
        ({"max_pixels": 7}, (1000, 1), ("7x1", "None")),
    ],
)
def test_examples(keys: dict[str, Any], source: tuple[int, int], expected: tuple[str, str]) -> None:
    """Every way of fitting, for sources larger and smaller than the box."""
    assert outcome(Size(*source), spec(**keys)) == expected


@pytest.mark.parametrize(
    ("gravity", "expected"),
    [
        (Gravity.NORTH_WEST, (0, 0)),
        (Gravity.NORTH, (50, 0)),
        (Gravity.EAST, (100, 0)),
        (Gravity.CENTER, (50, 0)),
        (Gravity.SOUTH_EAST, (100, 0)),
    ],
)
def test_gravity_says_what_a_crop_keeps(gravity: Gravity, expected: tuple[int, int]) -> None:
    """A landscape cropped to a square moves sideways only."""
    variant = spec(fit=Fit.FILL, width=200, height=200, gravity=gravity)
    assert cropped(Size(300, 200), variant, None) == Crop(*expected, Size(200, 200))


@pytest.mark.parametrize(("x", "left"), [(0.0, 0), (0.4, 20), (0.5, 50), (1.0, 100), (float("nan"), 50), (7.0, 50)])
def test_a_focus_point_is_kept_as_near_to_the_middle_as_the_edges_let(x: float, left: int) -> None:
    """Nonsense counts as the middle."""
    variant = spec(fit=Fit.FILL, width=200, height=200, gravity=Gravity.FOCUS)
    assert cropped(Size(300, 200), variant, FocusPoint(x, 0.5)) == Crop(left, 0, Size(200, 200))


@given(_SIZES, specs())
def test_nothing_is_enlarged_unless_asked(source: Size, variant: VariantSpec) -> None:
    """And never beyond what the encoders and the memory can take."""
    whole = resized(source, variant)
    if not variant.upscale:
        assert whole.width <= source.width
        assert whole.height <= source.height
    assert max(whole.width, whole.height) <= MAX_SIDE
    assert min(whole.width, whole.height) >= 1
    assert whole.area <= MAX_OUTPUT_PIXELS * 1.01 + MAX_SIDE


@given(_SIZES, specs())
def test_an_image_stays_within_or_covers_its_box(source: Size, variant: VariantSpec) -> None:
    """Fit stays inside; the others leave no side short that the source has."""
    whole = resized(source, variant)
    for has, wanted, side in (
        (source.width, variant.width, whole.width),
        (source.height, variant.height, whole.height),
    ):
        if variant.fit in {Fit.FIT, Fit.PAD, Fit.FORCE}:
            assert wanted is None or side <= wanted
        elif max(source.width, source.height) <= MAX_SIDE and source.area <= MAX_OUTPUT_PIXELS and not variant.upscale:
            assert side >= min(has, wanted or 1)


@given(_SIZES, specs(), st.floats(allow_nan=True), st.floats(0, 1))
def test_a_crop_lies_inside_the_image_and_is_no_larger_than_the_box(
    source: Size, variant: VariantSpec, x: float, y: float
) -> None:
    """Whatever the focus point."""
    whole = resized(source, variant)
    crop = cropped(whole, variant, FocusPoint(x, y))
    if isinstance(crop, Search):
        crop = Crop(0, 0, crop.size)
    if crop is None:
        assert not crops(variant.fit) or (whole.width <= (variant.width or 0) or whole.height <= (variant.height or 0))
        return
    assert 0 <= crop.left <= whole.width - crop.size.width
    assert 0 <= crop.top <= whole.height - crop.size.height
    assert crop.size.width <= (variant.width or 0)
    assert crop.size.height <= (variant.height or 0)
    assert min(crop.size.width, crop.size.height) >= 1
