"""Makes a partition's position and map again from the answers that are committed: pure, for `darkroom offsets rebuild`.

An input is done exactly if an answer names it as its cause. Reading the answers is an adapter's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.runtime.offset_map import HORIZON, OffsetMap

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a partition's position and map should be."""

    map: OffsetMap
    beyond: int
    """Answered inputs that no map reaches: they would be answered again, with the same event ids."""


def rebuild(topic_id: bytes, start: int, end: int, answered: Collection[int]) -> Rebuilt:
    """Return the position and map of a partition that holds the offsets ``start`` to ``end`` (exclusive).

    The base is the first offset without an answer; it need not exist, the worker moves over gaps by itself.
    """
    held = {offset for offset in answered if start <= offset < end}
    base = start
    while base in held:
        base += 1
    done = frozenset(offset for offset in held if base < offset < base + HORIZON)
    beyond = sum(offset >= base + HORIZON for offset in held)
    return Rebuilt(OffsetMap(topic_id, base, done), beyond)
