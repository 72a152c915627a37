"""The bounds of memory, parallelism and patience that the loop keeps, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.runtime.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much one transaction may carry, and how many there may be."""

    records: int = 2000
    """Bounds the transaction's time, not the handler's: 500 left the broker waited for a quarter of it."""
    bytes: int = 4_000_000
    per_second: float = 200.0
    """A ceiling, not a timer: across a fleet it is transactions, not bytes, that load the brokers."""


@dataclass(frozen=True, slots=True)
class SuspectPolicy:
    """When to suspect that records of a partition kill their worker, and how long to put up with one."""

    tries: int = 2
    """Owners that began at the same base and never moved it, before records are started one by one."""
    marks: int = 3
    """Marked starts that never came back before the record goes to failed."""
    window: int = 64
    """How many records are started one by one: as many as a former owner may have had in flight."""


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """Everything that bounds one worker."""

    concurrency: int = 16
    """Records started at once at the least: as many as there are handler threads."""
    max_in_flight: int = 1000
    """Records started at once at the most; reached only by handlers that are done in microseconds."""
    max_held: int = 20_000
    """Records polled and not committed, over all partitions."""
    max_held_bytes: int = 64_000_000
    default_output_bytes: int = 1_000_000
    output_bytes: Mapping[str, int] = field(default_factory=dict)
    """Largest record a topic takes, uncompressed, where it differs."""
    batch: BatchLimits = field(default_factory=BatchLimits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    suspects: SuspectPolicy = field(default_factory=SuspectPolicy)
    lanes: Mapping[str, float] = field(default_factory=dict)
    """Weight by topic; 1 where none is given."""
