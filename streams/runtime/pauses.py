"""Which partitions to pause and resume, with wide hysteresis, because a pause throws away what was prefetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from schemas.record import TopicPartition
    from streams.runtime.ledger import Ledger
    from streams.runtime.limits import LoopLimits

RESUME_BELOW = 0.25
"""Share of a bound under which consumption goes on again."""
LEAST_SHARE = 64


class Pauses:
    """What is paused now."""

    __slots__ = ("_limits", "_paused", "full")

    def __init__(self, limits: LoopLimits) -> None:
        self._limits = limits
        self._paused: set[TopicPartition] = set()
        self.full = False
        """True while the records held are over the worker's bounds."""

    def forget(self, partition: TopicPartition) -> None:
        """The partition is gone; assigned again it comes resumed."""
        self._paused.discard(partition)

    def step(
        self, ledgers: Mapping[TopicPartition, Ledger], held_back: Collection[TopicPartition], *, everything: bool
    ) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """Return what to pause and what to resume. ``held_back`` and, if ``everything``, all are to be paused."""
        limits = self._limits
        part = RESUME_BELOW if self.full else 1.0
        held = sum(ledger.held for ledger in ledgers.values())
        held_bytes = sum(ledger.held_bytes for ledger in ledgers.values())
        self.full = held >= limits.max_held * part or held_bytes >= limits.max_held_bytes * part
        share = max(LEAST_SHARE, 2 * limits.max_held // max(1, len(ledgers)))
        pause, resume = [], []
        for partition, ledger in ledgers.items():
            paused = partition in self._paused
            over = ledger.held >= (share * RESUME_BELOW if paused else share)
            wanted = everything or self.full or over or partition in held_back
            if wanted and not paused:
                self._paused.add(partition)
                pause.append(partition)
            elif paused and not wanted:
                self._paused.discard(partition)
                resume.append(partition)
        return pause, resume
