"""Which lane's record starts next: weighted sharing by stride scheduling, so that no lane starves.

A lane is an input topic. Each start moves its lane's pass forward by 1 / weight; the waiting lane with the smallest
pass goes next. A lane that was idle joins at the pass of the last start, so it cannot save up turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Lanes:
    """The passes of all lanes. ``weights`` maps a topic to a positive number; an unlisted topic weighs 1."""

    __slots__ = ("_now", "_pass", "_waiting", "_weights")

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = dict(weights)
        self._pass: dict[str, float] = {}
        self._waiting: frozenset[str] = frozenset()
        self._now = 0.0

    def waiting(self, topics: Collection[str]) -> None:
        """Say which lanes have something to start; those that had nothing before join at the current pass."""
        fresh = frozenset(topics)
        for topic in fresh - self._waiting:
            self._pass[topic] = max(self._pass.get(topic, 0.0), self._now)
        self._waiting = fresh

    def next(self) -> str | None:
        """Return the waiting lane whose turn it is, or None, and count the turn."""
        if not self._waiting:
            return None
        topic = min(self._waiting, key=lambda name: (self._pass[name], name))
        self._now = self._pass[topic]
        self._pass[topic] += 1 / self._weights.get(topic, 1.0)
        return topic

    def empty(self, topic: str) -> None:
        """Say that a lane has nothing left to start."""
        self._waiting -= {topic}
