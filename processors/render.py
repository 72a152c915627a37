"""Make every variant of a recipe from one decode.

Runs only in render processes (and tests): it loads libvips. What is done is decided by ``processors.plan``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processors.facts import Facts
    from processors.ports import Rendered
    from processors.recipe import Recipe
    from schemas.events import Attributes


def render(data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
    """Return the variants; raise `Permanent` (UNDECODABLE, TRUNCATED) if the pixels can't be decoded."""
    raise NotImplementedError
