"""Two measures of standing still, and what may be subtracted from them. Pure: times come in as arguments.

**Reader stall**: a partition has records behind the reader's position and the position does not move. That is what an
open transaction does to every read_committed reader, so it may last no longer than the transaction time-out plus the
brokers' clean-up interval. It does not depend on whether workers live or the store does.

**Silence**: inputs are unanswered, a worker is at work, and no answer comes on any partition.

Both go on through faults. Afterwards the time in which a broker was away (for silence also the store or the network) is
subtracted: nobody can read from a partition without a leader, and no promise says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Window = tuple[float, float]
"""From, until; in the seconds of one monotonic clock."""
Partition = tuple[str, int]
WORTH_KEEPING_S = 1.0


@dataclass(frozen=True, slots=True)
class Stall:
    """One time of standing still."""

    who: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Return its length, with everything that may be subtracted."""
        return self.ended - self.began


@dataclass(slots=True)
class StallMeter:
    """Is told of ends and positions again and again; remembers what stood still."""

    stalls: list[Stall] = field(default_factory=list)
    _since: dict[Partition, tuple[int, float]] = field(default_factory=dict)
    """Position and since when, of partitions with something left to read."""

    def observe(self, now: float, ends: Mapping[Partition, int], positions: Mapping[Partition, int]) -> None:
        """Take one look: the end of each partition with everything uncommitted, and where the reader is."""
        for partition, end in ends.items():
            position = positions.get(partition, 0)
            known = self._since.get(partition)
            if known is not None and known[0] == position and position < end:
                continue
            if known is not None:
                self._keep(partition, known[1], now)
                del self._since[partition]
            if position < end:
                self._since[partition] = (position, now)

    def finish(self, now: float) -> None:
        """End what still stands."""
        for partition, (_, since) in self._since.items():
            self._keep(partition, since, now)
        self._since.clear()

    def _keep(self, partition: Partition, since: float, now: float) -> None:
        if now - since >= WORTH_KEEPING_S:
            self.stalls.append(Stall(f"{partition[0]}[{partition[1]}]", since, now))


@dataclass(slots=True)
class SilenceMeter:
    """Is told again and again how many answers there are and whether there is work and somebody to do it."""

    stalls: list[Stall] = field(default_factory=list)
    _answers: int = -1
    _since: float | None = None

    def observe(self, now: float, answers: int, *, waiting: bool) -> None:
        """Take one look. ``waiting``: something is unanswered and a worker is at work."""
        if waiting and answers == self._answers and self._since is not None:
            return
        self.finish(now)
        self._answers = answers
        self._since = now if waiting else None

    def finish(self, now: float) -> None:
        """End what still stands."""
        if self._since is not None and now - self._since >= WORTH_KEEPING_S:
            self.stalls.append(Stall("all outputs", self._since, now))
        self._since = None


def beyond(stall: Stall, excused: Iterable[Window]) -> float:
    """Return the seconds of a stall that lie in none of the windows."""
    left, reached = stall.seconds, stall.began
    for began, ended in sorted(excused):
        overlap = min(ended, stall.ended) - max(began, reached)
        if overlap > 0:
            left -= overlap
            reached = min(ended, stall.ended)
    return left


def longest(stalls: Sequence[Stall], excused: Sequence[Window] = ()) -> tuple[float, Stall | None]:
    """Return the longest stall after subtraction, and which one it was."""
    worst = max(stalls, key=lambda stall: beyond(stall, excused), default=None)
    return (0.0, None) if worst is None else (beyond(worst, excused), worst)
