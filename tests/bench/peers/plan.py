"""Which contestants run in which workload, over how many events, and what we aim for. Read it as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.bench.peers.contestants import (
    BARE,
    OURS,
    OURS_64,
    PARALLEL,
    PARALLEL_64,
    PARALLEL_EAGER,
    PARALLEL_TUNED,
    QUIX,
    QUIX_20,
    QUIX_DEFAULT,
    QUIX_EACH,
    STREAMS,
    STREAMS_12,
    STREAMS_TUNED,
)
from tests.bench.peers.events import even, uneven

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.bench.peers.contestants import Contestant
    from tests.bench.peers.events import Event


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant in one workload."""

    contestant: Contestant
    share: float = 1.0
    """Of the workload's events: a slow one may do with fewer, its rate is the same."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A bound on something that follows from a workload's figures (by contestant, then by column)."""

    what: str
    bound: float
    value: Callable[[Mapping[str, Mapping[str, float]]], float]
    """Raises KeyError if a contestant did not run: then there is nothing to say."""
    at_least: bool = True

    def reached(self, value: float) -> bool:
        """Compare."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Rates:
    """A workload over a preloaded topic."""

    name: str
    make: Callable[[int], list[Event]]
    entries: tuple[Entry, ...]
    aims: tuple[Aim, ...]
    share: float = 1.0
    """Of `--events`."""


_W1_AIMS: Final = (
    Aim("events/s", 35_000, lambda by: by["ours"]["events_per_s"]),
    Aim("CPU-s per 10 000 events", 0.25, lambda by: by["ours"]["cpu_s_per_10000"], at_least=False),
    Aim("times Quix (tuned)", 1, lambda by: by["ours"]["events_per_s"] / by["quix"]["events_per_s"]),
    Aim("times Parallel Consumer", 4, lambda by: by["ours"]["events_per_s"] / by["parallel"]["events_per_s"]),
)
_W2_AIMS: Final = (
    Aim("events/s, 64 threads", 7_000, lambda by: by["ours, 64 threads"]["events_per_s"]),
    Aim(
        "times Parallel Consumer, 64 threads each",
        2,
        lambda by: by["ours, 64 threads"]["events_per_s"] / by["parallel, 64 threads"]["events_per_s"],
    ),
)
POISON_AIMS: Final = (
    Aim(
        "share of the others visible before the poison ends", 1, lambda by: by["ours"]["visible"] / by["ours"]["others"]
    ),
    Aim("p99 of the others, times that without poison", 1.1, lambda by: by["ours"]["p99_ratio"], at_least=False),
)
W3_AIMS: Final = (
    Aim("p50, times the bare loop's", 1.3, lambda by: by["ours"]["p50_ms"] / by["bare"]["p50_ms"], at_least=False),
    Aim("p99, times the bare loop's", 1.5, lambda by: by["ours"]["p99_ms"] / by["bare"]["p99_ms"], at_least=False),
)
W1: Final = Rates(
    "w1",
    even,
    (Entry(OURS), Entry(BARE), Entry(QUIX), Entry(QUIX_DEFAULT, 0.1), Entry(STREAMS), Entry(PARALLEL, 0.25)),
    _W1_AIMS,
)
W2: Final = Rates(
    "w2",
    uneven,
    (
        Entry(OURS),
        Entry(OURS_64),
        Entry(PARALLEL, 0.2),
        Entry(PARALLEL_64, 0.2),
        Entry(PARALLEL_EAGER, 0.2),
        Entry(STREAMS_12, 0.1),
        Entry(BARE, 0.02),
        Entry(QUIX, 0.02),
    ),
    _W2_AIMS,
    share=0.2,
)
POISON: Final = (OURS, BARE, QUIX_20, STREAMS_12, PARALLEL, PARALLEL_EAGER)
W3: Final = (OURS, BARE, QUIX_EACH, QUIX_DEFAULT, STREAMS_TUNED, STREAMS, PARALLEL_TUNED)
EVERYBODY: Final = (OURS, BARE, QUIX, STREAMS, PARALLEL)
EVENTS_PER_IDLE: Final = 1_000
"""One event of w3 for so many of w1: it has 200."""
