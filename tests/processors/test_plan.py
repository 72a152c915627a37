"""A plan makes every variant from one decode, each by the shortest way that does not show."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from processors.facts import Facts, SourceFormat
from processors.geometry import Size
from processors.plan import MARGIN, Conversion, Plan, make_plan
from processors.recipe import Fit, Format, Gravity, VariantSpec
from processors.recipe_file import load_folder
from schemas.events import Attributes, FocusPoint
from tests.processors.builders import facts, recipe, spec
from tests.processors.test_geometry import specs


def ladder(*widths: int) -> tuple[VariantSpec, ...]:
    """Return a WebP variant for each width."""
    return tuple(spec(f"w{width}", Format.WEBP, width=width) for width in widths)


def plan_of(source: Facts, *variants: VariantSpec) -> Plan:
    """Plan without attributes."""
    return make_plan(source, recipe(*variants), Attributes())


def feeders(plan: Plan) -> list[tuple[str, int | None]]:
    """Return each level's size and what it is made of."""
    return [(str(level.size), level.source) for level in plan.levels]


def test_a_ladder_is_a_cascade_from_one_shrunk_decode() -> None:
    """12 megapixels to 1280 and below: JPEG's DCT halves, then every level feeds the next one."""
    plan = plan_of(facts(4000, 3000), *ladder(160, 320, 640, 1280))
    assert (plan.decode.shrink, str(plan.decode.size), plan.decode.keep) == (2, "2000x1500", False)
    assert feeders(plan) == [("1280x960", None), ("640x480", 0), ("320x240", 1), ("160x120", 2)]
    assert [output.level for output in plan.outputs] == [3, 2, 1, 0]
    assert str(plan.summary) == "100x75"


def test_no_shrink_that_would_leave_too_little() -> None:
    """Half of 4000 is only 1.04 times 1920: there the whole image is decoded. A quarter is enough for 512."""
    assert plan_of(facts(4000, 3000), *ladder(1920)).decode.shrink == 1
    assert plan_of(facts(4000, 3000), *ladder(512)).decode.shrink == 4
    assert plan_of(facts(4000, 3000), *ladder(100)).decode.shrink == 8
    assert plan_of(facts(4000, 3000, format=SourceFormat.WEBP), *ladder(1280)).decode.shrink == 2
    assert plan_of(facts(4000, 3000, format=SourceFormat.WEBP, frames=9), *ladder(1280)).decode.shrink == 1
    assert plan_of(facts(4000, 3000, format=SourceFormat.PNG), *ladder(100)).decode.shrink == 1
    assert plan_of(facts(4000, 3000, shrinks=False), *ladder(100)).decode.shrink == 1


def test_a_level_too_close_to_its_neighbour_is_made_of_the_decode() -> None:
    """The decode is then held in memory, since a stream can be read only once."""
    plan = plan_of(facts(4000, 3000), *ladder(1280, 1000, 600))
    assert feeders(plan) == [("1280x960", None), ("1000x750", None), ("600x450", 1)]
    assert plan.decode.keep


def test_variants_of_one_size_share_the_resize_and_equal_ones_the_bytes() -> None:
    """A picture in two formats is resized once; two variants that a small source makes equal are encoded once."""
    two = plan_of(facts(), spec("a", Format.WEBP, width=640), spec("b", Format.JPEG, width=640))
    assert (len(two.levels), [output.same_as for output in two.outputs]) == (1, [None, None])
    small = plan_of(facts(300, 200), *ladder(160, 320, 640))
    assert feeders(small) == [("300x200", None), ("160x107", 0)]
    assert [output.same_as for output in small.outputs] == [None, None, "w320"]


def test_crops_share_the_resize_of_the_whole_image() -> None:
    """A square and a whole picture of the same height are one level."""
    square = spec("square", width=480, height=480, fit=Fit.FILL, gravity=Gravity.FOCUS)
    focused = make_plan(
        facts(4000, 3000), recipe(square, spec("whole", height=480)), Attributes(focus=FocusPoint(1, 0))
    )
    assert feeders(focused) == [("640x480", None)]
    assert [str(output.crop) for output in focused.outputs] == ["480x480 at 160,0", "None"]


def test_colours_are_converted_only_where_they_need_it() -> None:
    """SRGB and grey without a profile are left alone: a conversion of 12 megapixels costs more than the decode."""
    assert plan_of(facts()).decode.conversion is Conversion.NONE
    assert plan_of(facts(colour_space="b-w")).decode.conversion is Conversion.NONE
    assert plan_of(facts(has_profile=True)).decode.conversion is Conversion.PROFILE
    assert plan_of(facts(colour_space="cmyk")).decode.conversion is Conversion.PROFILE
    assert plan_of(facts(colour_space="rgb16", bits=16)).decode.conversion is Conversion.SPACE


def test_a_plan_reads_as_text() -> None:
    """`darkroom recipes explain` prints this."""
    attributes = Attributes(focus=FocusPoint(0.2, 0.5))
    text = make_plan(facts(4000, 3000, orientation=6), load_folder(None)["avatar"], attributes).describe()
    assert text.splitlines() == [
        "recipe   avatar",
        "decode   jpeg at 1/4 to 1000x750, orientation 6, streamed",
        "colours  none: they are sRGB or grey already",
        "level 0  341x256 from the decode (2.93x)",
        "level 1  171x128 from level 0 (1.99x)",
        "level 2  85x64 from level 1 (2.01x)",
        "summary  85x64 from level 2",
        "variant  s64: level 2, cropped to 64x64 at 0,0, webp quality 82 effort 2",
        "variant  s128: level 1, cropped to 128x128 at 0,0, webp quality 82 effort 2",
        "variant  s256: level 0, cropped to 256x256 at 0,0, webp quality 82 effort 2",
    ]


_SOURCES = st.builds(
    facts,
    st.integers(1, 12_000),
    st.integers(1, 12_000),
    format=st.sampled_from(SourceFormat),
    orientation=st.integers(1, 8),
    has_alpha=st.booleans(),
)


@given(_SOURCES, st.lists(specs(), min_size=1, max_size=8))
def test_every_plan_keeps_its_rules(source: Facts, variants: list[VariantSpec]) -> None:
    """One decode; levels from large to small; every level, and the decode, has the margin over what it feeds."""
    plan = plan_of(source, *(replace(variant, name=f"v{index}") for index, variant in enumerate(variants)))
    decoded = plan.decode.size
    roots = 0
    for index, level in enumerate(plan.levels):
        if level.source is None:
            roots += 1
            assert plan.decode.shrink == 1 or _has_margin(decoded, level.size)
        else:
            assert level.source < index
            assert _has_margin(plan.levels[level.source].size, level.size)
    assert plan.decode.keep == (roots > 1)
    assert len({level.size for level in plan.levels}) == len(plan.levels)
    assert {output.level for output in plan.outputs} == set(range(len(plan.levels)))
    assert max(plan.summary.width, plan.summary.height) <= 100


@given(_SOURCES, st.lists(specs(), min_size=1, max_size=4))
def test_no_variant_is_larger_than_its_source_unless_asked(source: Facts, variants: list[VariantSpec]) -> None:
    """In both directions, whatever the fit."""
    quiet = [replace(variant, name=f"v{index}", upscale=False) for index, variant in enumerate(variants)]
    plan = plan_of(source, *quiet)
    for output in plan.outputs:
        size = output.size
        if output.canvas is not None:
            assert size == Size(output.spec.width or 0, output.spec.height or 0)
            continue
        assert size.width <= source.width
        assert size.height <= source.height


def _has_margin(larger: Size, smaller: Size) -> bool:
    return larger.width + 1 >= MARGIN * smaller.width and larger.height + 1 >= MARGIN * smaller.height
