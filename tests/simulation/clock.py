"""One process's clocks, as far as the engine and its handler read them.

The monotonic clock (ledger, committer, breaker, retries) never goes back: it drifts, jumps ahead, or stands still
while its machine is suspended. The wall clock (event times, the check of an hlc) may go either way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World


class WorkerClock:
    """`processors.ports.Clock` of one process."""

    def __init__(self, world: World, *, rate: float = 1.0) -> None:
        self._world = world
        self._rate = rate
        self._ahead = 0.0
        self._wall_ahead = 0.0

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._world.now * self._rate + self._ahead

    def now(self) -> datetime:
        """Return what this machine takes for the time of day."""
        return datetime.fromtimestamp(self._world.cluster.now + self._wall_ahead, UTC)

    def jump(self, seconds: float) -> None:
        """Move the monotonic clock ahead."""
        self._ahead += seconds

    def stand_still(self, seconds: float) -> None:
        """Take back what a suspension of so many seconds would count: nobody reads the clock before it is over."""
        self._ahead -= seconds * self._rate

    def set_wall(self, ahead: float) -> None:
        """Let the time of day be wrong by so many seconds."""
        self._wall_ahead = ahead
