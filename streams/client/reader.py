"""From a polled record to the event a subscriber asked for. It moves no position, parks nothing, never waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import Permanent, Reason
from schemas.events import ImageFailed, ImageReady, ImageRemoved
from streams.client.messages import Message
from streams.client.parking import as_original, put_back_place, read_parked

if TYPE_CHECKING:
    from schemas.codec import Codec
    from schemas.record import Record
    from streams.client.messages import Wanted


@dataclass(frozen=True, slots=True)
class Found:
    """A record that may be wanted, in its own place."""

    record: Record
    redelivered: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """Knows the group's parked topic and what is wanted."""

    codec: Codec
    wanted: Wanted
    parked_topic: str

    def find(self, record: Record) -> Found | None:
        """Return the record as it was first said; None for what is not wanted, or parked and not put back."""
        redelivered = record.topic == self.parked_topic
        if redelivered:
            parked = read_parked(record) if put_back_place(record) is not None else None
            if parked is None:
                return None
            record = as_original(record, parked)
        return Found(record, redelivered) if self.wanted.maybe(record) else None

    def read(self, found: Found) -> Message | None:
        """Return the message, None if it turns out not to be wanted.

        Raise `Permanent` (``invalid_event``) for what is no event of ours, `Unavailable` while the registry is down.
        """
        event = self.codec.decode(found.record.topic, found.record.value)
        if not isinstance(event, ImageReady | ImageFailed | ImageRemoved):
            raise Permanent(Reason.INVALID_EVENT, f"{type(event).__name__} is no answer of a worker")
        return Message(event, found.record, found.redelivered) if self.wanted.surely(event) else None
