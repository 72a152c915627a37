"""When the store is away, slow or unreliable in a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Span:
    """A time of trouble, in simulated seconds; the empty one never comes."""

    begins: float = 0.0
    ends: float = 0.0

    def covers(self, now: float) -> bool:
        """Return whether it is now."""
        return self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class StoreTroubles:
    """What one schedule's store goes through."""

    down: Span
    slow: Span
    failing: Span

    @classmethod
    def of(cls, world: World, trouble_s: float) -> StoreTroubles:
        """Draw them."""

        def span(probability: float, longest: float) -> Span:
            if not world.chance(probability):
                return Span()
            begins = world.random.uniform(0, trouble_s * 0.7)
            return Span(begins, min(trouble_s, begins + world.random.uniform(0.5, longest)))

        return cls(span(0.3, 15), span(0.2, 20), span(0.2, 20))
