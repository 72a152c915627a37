"""What `darkroom recipes explain` runs in a spawned process: inspect a file's header and plan a recipe for it.

Apart from the verb because libvips parses untrusted bytes, and does that in no process of ours that lives on.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from processors.inspect import inspect
from processors.plan import make_plan
from schemas.events import Attributes

if TYPE_CHECKING:
    from processors.facts import Limits
    from processors.recipe import Recipe
    from schemas.events import FocusPoint


def explain(data: bytes, limits: Limits, recipe: Recipe, focus: FocusPoint | None) -> tuple[dict[str, Any], str]:
    """Return the facts and the plan as text; raise `Permanent` as a worker's inspection would."""
    facts = inspect(data, limits)
    return asdict(facts), make_plan(facts, recipe, Attributes(focus=focus)).describe()
