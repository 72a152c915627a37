"""How an event is parked, as records: the original verbatim, then a block of headers that says whose, why and when.

A group's parked events lie on ``<group>.parked``. The group's subscribers read that topic too: a parked record means
nothing to them, but one that was put back carries a header more, and is delivered again, to this group only. Parked is
what was parked and not put back since, so looking needs no state beside the topic, and nothing is ever deleted. Nothing
is sent here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.headers import DeadLetter, dead_letter_headers, read_dead_letter, read_event_headers
from schemas.record import Outgoing, Record

if TYPE_CHECKING:
    from uuid import UUID

    from schemas.record import Headers

PARKED_BY: Final = "darkroom_parked_by"
"""Begins the block; before it stand the original headers."""
ATTEMPTS: Final = "darkroom_parked_attempts"
PUT_BACK: Final = "darkroom_put_back"


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked event."""

    place: str
    """``partition-offset`` on the parked topic; names it when it is put back."""
    group: str
    letter: DeadLetter
    """Where it came from and what went wrong."""
    attempts: int
    parked_at_ms: int
    """Milliseconds since the epoch."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    """The original ones."""

    @property
    def event_id(self) -> UUID | None:
        """The event's id, None if its headers have none."""
        return read_event_headers(self.headers).event_id

    @property
    def tenant(self) -> str | None:
        """The event's tenant, as its headers say."""
        return read_event_headers(self.headers).tenant

    @property
    def image_id(self) -> str | None:
        """The event's image, as its headers say."""
        return read_event_headers(self.headers).image_id


def park_record(topic: str, group: str, original: Record, letter: DeadLetter, attempts: int) -> Outgoing:
    """Return the record that parks ``original`` (with its own place in ``letter``)."""
    block = ((PARKED_BY, group.encode()), *dead_letter_headers(letter), (ATTEMPTS, str(attempts).encode()))
    return Outgoing(topic, original.key, original.value, (*original.headers, *block))


def put_back_record(topic: str, parked: Parked) -> Outgoing:
    """Return the record that puts a parked event back."""
    again = Record(topic, 0, 0, parked.key, parked.value, parked.headers, 0)
    record = park_record(topic, parked.group, again, parked.letter, parked.attempts)
    return record._replace(headers=(*record.headers, (PUT_BACK, parked.place.encode())))


def read_parked(record: Record) -> Parked | None:
    """Return what a record of a parked topic parks (or puts back), None if it does neither."""
    names = [name for name, _ in record.headers]
    if PARKED_BY not in names:
        return None
    begin = len(names) - 1 - names[::-1].index(PARKED_BY)
    block = record.headers[begin:]
    letter = read_dead_letter(block)
    if letter is None:
        return None
    said = dict(block)
    return Parked(
        place=f"{record.partition}-{record.offset}",
        group=said[PARKED_BY].decode(errors="replace"),
        letter=letter,
        attempts=_number(said.get(ATTEMPTS, b"")),
        parked_at_ms=record.timestamp_ms,
        key=record.key,
        value=record.value,
        headers=record.headers[:begin],
    )


def put_back_place(record: Record) -> str | None:
    """Return the place of the parked event that this record puts back, None if it puts none back."""
    name, value = record.headers[-1] if record.headers else ("", b"")
    return value.decode(errors="replace") if name == PUT_BACK else None


def as_original(record: Record, parked: Parked) -> Record:
    """Return a record of a parked topic as it was in its own place."""
    letter = parked.letter
    return Record(
        letter.topic, letter.partition, letter.offset, record.key, record.value, parked.headers, record.timestamp_ms
    )


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - never a number that is endless
