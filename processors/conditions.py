"""Which of a recipe's variants a source gets: a question to its header only, so that whoever asks gets one answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processors.recipe import Recipe, Shape, When

if TYPE_CHECKING:
    from processors.facts import Facts


def chosen(recipe: Recipe, facts: Facts) -> Recipe:
    """Return the recipe with the variants that are made of this source: the recipe itself if it has no conditions."""
    if not recipe.has_conditions:
        return recipe
    return replace(
        recipe, variants=tuple(one for one in recipe.variants if one.when is None or _holds(one.when, facts))
    )


def _holds(when: When, facts: Facts) -> bool:
    return (
        when.shape in {None, _shape(facts)}
        and facts.width > (when.wider_than or 0)
        and facts.height > (when.taller_than or 0)
        and when.animated in {None, facts.frames > 1}
    )


def _shape(facts: Facts) -> Shape:
    if facts.width == facts.height:
        return Shape.SQUARE
    return Shape.LANDSCAPE if facts.width > facts.height else Shape.PORTRAIT
