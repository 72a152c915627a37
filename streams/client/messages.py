"""What a subscriber hands out, and which of it is wanted. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from schemas.headers import TraceParent, read_event_headers

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from schemas.events import Output
    from schemas.record import Record

REPLAY_HEADER: Final = "darkroom_replay_id"
TYPE_HEADER: Final = "ce_type"
"""Every worker writes it, together with the replay's headers if there is one: with it, no replay header means live."""

ALL_REPLAYS: Final = ("all", "exclude", "only")


@dataclass(frozen=True, slots=True)
class Message:
    """One event with the record that said it."""

    event: Output
    record: Record
    """Topic, partition, offset, key, value, headers and time; its own place, also when it had been parked."""
    redelivered: bool = False
    """True if it was parked and put back."""

    @property
    def event_id(self) -> UUID:
        """The same whenever this event is delivered again: keep it with what you did, and you have done it once."""
        return self.event.event_id

    @property
    def replay_id(self) -> str | None:
        """The replay that made this event, None for live traffic."""
        return self.event.cause.replay_id

    @property
    def trace(self) -> TraceParent | None:
        """The trace to go on with."""
        return read_event_headers(self.record.headers).trace


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a subscriber wants; the others are passed over, and their positions committed."""

    tenants: frozenset[str] | None = None
    """None: all."""
    replays: str | frozenset[str] = "all"
    """``all``, ``exclude``, ``only``, or the ids of the replays that are wanted, and of nothing else."""

    @classmethod
    def of(cls, tenants: str | Collection[str] | None, replays: str | Collection[str]) -> Self:
        """Take one tenant, several, or None for all. Raise `ValueError` for a word that selects nothing."""
        several = [tenants] if isinstance(tenants, str) else tenants
        if isinstance(replays, str):
            if replays not in ALL_REPLAYS:
                message = f"replays is one of {', '.join(ALL_REPLAYS)} or a set of ids, not {replays!r}"
                raise ValueError(message)
        elif not replays:
            raise ValueError('replays is an empty set, which selects nothing: for live traffic say "exclude"')
        chosen = replays if isinstance(replays, str) else frozenset(replays)
        return cls(None if several is None else frozenset(several), chosen)

    def maybe(self, record: Record) -> bool:
        """Say False if the headers alone show that it is not wanted: it need not be decoded then."""
        headers = dict(record.headers)
        tenant, replay = headers.get("tenant"), headers.get(REPLAY_HEADER)
        if tenant is not None and not self._takes_tenant(tenant.decode(errors="replace")):
            return False
        if replay is None:
            return TYPE_HEADER not in headers or self._takes_replay(None)
        return self._takes_replay(replay.decode(errors="replace"))

    def surely(self, event: Output) -> bool:
        """Say whether the event itself is wanted; headers are only claims, and may be missing."""
        return self._takes_tenant(event.tenant) and self._takes_replay(event.cause.replay_id)

    def _takes_tenant(self, tenant: str | None) -> bool:
        return self.tenants is None or tenant in self.tenants

    def _takes_replay(self, replay_id: str | None) -> bool:
        match self.replays:
            case "all":
                return True
            case "exclude":
                return replay_id is None
            case "only":
                return replay_id is not None
        return replay_id in self.replays
