"""What a run of the pipeline looked like from outside, as values: what was asked, what was told, what the store holds.

Everything the verifier judges is here and nothing else, so that a history can be written by hand as well as read from
servers. It reads nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

Place = tuple[str, int, int]
"""Topic, partition and offset of one record."""
Image = tuple[str, str]
"""Tenant and image id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One input as it stands on the log."""

    place: Place
    at: float
    """When it was produced, in seconds since the epoch."""
    kind: Literal["upload", "delete", "garbage"]
    key: bytes | None = None
    event_id: UUID | None = None
    image: Image | None = None
    hlc: int = 0
    replay_id: str | None = None
    fails_with: frozenset[str] = frozenset()
    """Reasons of which one must come: the source is bad on purpose. Empty: it must not fail."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What an event says of one variant."""

    key: str
    sha256: str
    life: int


@dataclass(frozen=True, slots=True)
class Told:
    """One output as a read_committed reader got it."""

    place: Place
    at: float
    """When the reader got it, in seconds since the epoch."""
    kind: Literal["ready", "failed", "removed"]
    key: bytes | None
    event_id: UUID
    cause: Place
    cause_event_id: UUID | None = None
    image: Image | None = None
    hlc: int = 0
    replay_id: str | None = None
    reason: str = ""
    objects: tuple[StoredObject, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """One whole run."""

    asked: tuple[Asked, ...]
    told: tuple[Told, ...]
    """What the reader saw that read all along, in its order."""
    told_afterwards: tuple[Told, ...]
    """What a new reader finds when all is over."""
    acknowledged: frozenset[Place]
    """Inputs whose delivery the brokers confirmed to whoever produced them."""
    stored: Mapping[str, str] = field(default_factory=dict)
    """The hash of each announced object that is in the store, by key."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    kind: str
    detail: str
