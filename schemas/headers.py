"""Record headers, written and read back: CloudEvents, trace context, image, dead letter, replay.

Header values are bytes and anybody's; reading never raises except where a replay's own headers are broken. Times, span
ids and trace ids come in as arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from schemas.errors import Permanent, Reason
from schemas.topics import NAMESPACE

if TYPE_CHECKING:
    from schemas.events import Event
    from schemas.record import Headers

CONTENT_TYPE: Final = b"application/avro"
SPEC_VERSION: Final = b"1.0"

MAX_MESSAGE_CHARACTERS: Final = 1000
"""Longest error message in a dead-letter header; the whole one stands in the event's detail."""

_TRACEPARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL
)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_DEAD: Final = "__connect.errors."
_REPLAY: Final = "darkroom_replay_"
_TARGET: Final = "darkroom_target_fingerprint"


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A W3C trace context."""

    trace_id: str
    """32 lower-case hex digits, not all zero."""
    span_id: str
    """16 lower-case hex digits, not all zero: the span that caused the record."""
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self, span_id: str) -> TraceParent:
        """Return the same trace, continued by a new span."""
        return TraceParent(self.trace_id, span_id, self.sampled)


@dataclass(frozen=True, slots=True)
class EventHeaders:
    """What a record's headers say of its event; None for what is missing or malformed. Claims, not facts."""

    event_id: UUID | None = None
    type: str | None = None
    source: str | None = None
    time: datetime | None = None
    tenant: str | None = None
    image_id: str | None = None
    trace: TraceParent | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Where a failed event's input came from and what went wrong, under the names that Kafka Connect uses."""

    topic: str
    partition: int
    offset: int
    stage: str
    """What was being done, for example ``decode`` or ``render``."""
    class_name: str
    """The class or function that was doing it."""
    message: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What a record on the replay topic says of the record that it repeats."""

    replay_id: str
    topic: str
    partition: int
    offset: int
    target_fingerprint: str | None = None
    """The fingerprint to reach: a worker that cannot yield it yet waits."""


def event_headers(event: Event, *, source: str, time: datetime, traceparent: TraceParent | None = None) -> Headers:
    """Return the headers that every record of ours carries.

    ``source`` is a URI reference of who produced it, ``time`` (with a time zone) when. Tenant and image id stand there
    as they are in the event, in UTF-8, so that a subscriber filters without decoding.
    """
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", str(event.event_id).encode()),
        ("ce_source", source.encode()),
        ("ce_type", f"{NAMESPACE}.{type(event).__name__}".encode()),
        ("ce_time", time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if traceparent is not None:
        headers.append(("traceparent", str(traceparent).encode()))
    if event.tenant is not None:
        headers.append(("tenant", event.tenant.encode()))
    if event.image_id is not None:
        headers.append(("image_id", event.image_id.encode()))
    return tuple(headers)


def read_event_headers(headers: Headers) -> EventHeaders:
    """Return what the headers say; what is missing or malformed is None. Of a repeated name the last counts."""
    texts = _texts(headers)
    return EventHeaders(
        event_id=_uuid(texts.get("ce_id")),
        type=texts.get("ce_type"),
        source=texts.get("ce_source"),
        time=_time(texts.get("ce_time")),
        tenant=texts.get("tenant"),
        image_id=texts.get("image_id"),
        trace=parse_traceparent(texts.get("traceparent")),
    )


def parse_traceparent(text: str | None) -> TraceParent | None:
    """Return the trace context, None where the W3C recommendation says to start a new trace instead."""
    match = _TRACEPARENT.fullmatch(text) if text is not None else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    # ff is forbidden; version 00 ends after the flags; later versions may go on after a dash.
    if version == "ff" or (version == "00" and rest is not None) or not (trace_id.strip("0") and span_id.strip("0")):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & 1))


def continue_trace(headers: Headers, *, trace_id: str, span_id: str) -> TraceParent:
    """Return the context for what a record causes: its own trace, or a new one named ``trace_id``, under a new span."""
    found = parse_traceparent(_texts(headers).get("traceparent"))
    return TraceParent(trace_id, span_id, sampled=True) if found is None else found.child(span_id)


def dead_letter_headers(letter: DeadLetter) -> Headers:
    """Return the headers that a failed event carries besides those of every event."""
    return (
        (f"{_DEAD}topic", letter.topic.encode()),
        (f"{_DEAD}partition", str(letter.partition).encode()),
        (f"{_DEAD}offset", str(letter.offset).encode()),
        (f"{_DEAD}stage", letter.stage.encode()),
        (f"{_DEAD}class.name", letter.class_name.encode()),
        (f"{_DEAD}exception.message", letter.message[:MAX_MESSAGE_CHARACTERS].encode("utf-8", "replace")),
    )


def read_dead_letter(headers: Headers) -> DeadLetter | None:
    """Return what the dead-letter headers say, None where topic, partition or offset are missing or malformed."""
    texts = _texts(headers)
    topic = texts.get(f"{_DEAD}topic")
    partition, offset = _number(texts.get(f"{_DEAD}partition")), _number(texts.get(f"{_DEAD}offset"))
    if topic is None or partition is None or offset is None:
        return None
    return DeadLetter(
        topic,
        partition,
        offset,
        stage=texts.get(f"{_DEAD}stage", ""),
        class_name=texts.get(f"{_DEAD}class.name", ""),
        message=texts.get(f"{_DEAD}exception.message", ""),
    )


def replay_headers(replay: Replay) -> Headers:
    """Return the headers that a record on the replay topic carries besides those of the original."""
    headers = (
        (f"{_REPLAY}id", replay.replay_id.encode()),
        (f"{_REPLAY}topic", replay.topic.encode()),
        (f"{_REPLAY}partition", str(replay.partition).encode()),
        (f"{_REPLAY}offset", str(replay.offset).encode()),
    )
    return headers if replay.target_fingerprint is None else (*headers, (_TARGET, replay.target_fingerprint.encode()))


def read_replay(headers: Headers) -> Replay | None:
    """Return what is replayed, None for a record that is no replay.

    Raise `Permanent` (``invalid_event``) where only some of the headers are there, or malformed: taken for live traffic
    it would be announced under a live event's id.
    """
    if not any(name.startswith(_REPLAY) or name == _TARGET for name, _ in headers):
        return None
    texts = _texts(headers)
    replay_id, topic = texts.get(f"{_REPLAY}id"), texts.get(f"{_REPLAY}topic")
    partition, offset = _number(texts.get(f"{_REPLAY}partition")), _number(texts.get(f"{_REPLAY}offset"))
    target = texts.get(_TARGET)
    broken_target = any(name == _TARGET for name, _ in headers) and not _FINGERPRINT.fullmatch(target or "")
    if not replay_id or not topic or partition is None or offset is None or broken_target:
        message = "replay headers are incomplete or malformed"
        raise Permanent(Reason.INVALID_EVENT, message)
    return Replay(replay_id, topic, partition, offset, target)


def _texts(headers: Headers) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in headers:
        try:
            texts[name] = value.decode()
        except (UnicodeDecodeError, AttributeError):  # no UTF-8; or None, which Kafka allows
            texts.pop(name, None)
    return texts


def _number(text: str | None) -> int | None:
    # 18 digits stay below 2**63, and int() never sees a number that is endless.
    return int(text) if text is not None and len(text) <= 18 and text.isascii() and text.isdigit() else None  # noqa: PLR2004


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        time = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
