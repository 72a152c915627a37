"""A renderer whose pictures are hashes of what they are made of; rendering takes simulated time."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from processors.facts import Facts, SourceFormat
from processors.ports import Rendered, RenderedVariant
from schemas.errors import Permanent, Reason

if TYPE_CHECKING:
    from processors.recipe import Recipe
    from schemas.events import Attributes
    from tests.simulation.fibers import Fiber

RENDER: Final = "render"


class SimulatedRenderer:
    """`processors.ports.Renderer`. With ``mark`` its bytes differ from other renderers', as engines' versions do."""

    def __init__(self, fiber: Fiber, mark: str) -> None:
        self._fiber = fiber
        self._mark = mark.encode()

    def inspect(self, data: bytes) -> Facts:
        """Refuse what is broken."""
        if data.startswith(b"broken"):
            raise Permanent(Reason.TRUNCATED, "it is broken")
        return Facts(SourceFormat.JPEG, 4000, 3000, 1, False, "srgb", 1, False, False, 8, 36_000_000)  # noqa: FBT003 - facts in order

    def render(self, data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:  # noqa: ARG002 - it needs neither
        """Take a while, then return the variants."""
        self._fiber.ask((RENDER, None))
        variants = tuple(
            RenderedVariant(
                each.name, sha256(data + self._mark + each.name.encode()).digest(), "image/webp", "webp", 9, 9
            )
            for each in recipe.variants
        )
        return Rendered(variants, b"thumb", "#a0b1c2")
