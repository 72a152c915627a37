"""A variant with a condition is made of the sources that meet it, and of no others."""

from __future__ import annotations

from typing import Any

import pytest

from processors.conditions import chosen
from processors.plan import make_plan
from processors.recipe import Shape, When
from schemas.events import Attributes
from tests.processors.builders import facts, file_of, picture, recipe, rendered, spec


@pytest.mark.parametrize(
    ("when", "source", "made"),
    [
        (When(shape=Shape.LANDSCAPE), {"width": 400, "height": 300}, True),
        (When(shape=Shape.LANDSCAPE), {"width": 300, "height": 300}, False),
        (When(shape=Shape.PORTRAIT), {"width": 300, "height": 301}, True),
        (When(shape=Shape.SQUARE), {"width": 300, "height": 300}, True),
        (When(wider_than=400), {"width": 400, "height": 900}, False),
        (When(wider_than=399), {"width": 400, "height": 900}, True),
        (When(taller_than=300), {"width": 400, "height": 300}, False),
        (When(taller_than=299), {"width": 400, "height": 300}, True),
        (When(animated=True), {"frames": 1}, False),
        (When(animated=True), {"frames": 2}, True),
        (When(animated=False), {"frames": 2}, False),
        (When(shape=Shape.LANDSCAPE, wider_than=500), {"width": 400, "height": 300}, False),
    ],
)
def test_a_condition_is_held_against_the_header(when: When, source: dict[str, Any], *, made: bool) -> None:
    """Everything that is named must hold."""
    asked = recipe(spec("always"), spec("sometimes", when=when))
    names = [variant.name for variant in chosen(asked, facts(**source)).variants]
    assert names == (["always", "sometimes"] if made else ["always"])


def test_a_plan_and_a_rendering_hold_what_was_chosen() -> None:
    """Levels that nobody asked for are not made; a twin of a variant that is not made has bytes of its own."""
    variants = (
        spec("wide", width=90, when=When(shape=Shape.LANDSCAPE)),
        spec("tall", width=80, when=When(shape=Shape.PORTRAIT)),
        spec("all", width=80),
    )
    plan = make_plan(facts(), recipe(*variants), Attributes())
    assert [level.size.width for level in plan.levels] == [90, 80]
    assert plan.outputs[1].same_as is None
    made = rendered(file_of(picture(200, 300)), *variants).variants
    assert [variant.name for variant in made] == ["tall", "all"]
    assert made[0].data == made[1].data
