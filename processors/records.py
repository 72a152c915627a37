"""The engine's handler for images: one input record in, the records that answer it out.

Decoding, checking, replay headers, the right topic, key and headers happen here; what an event means is
``processors.handler``'s. Nothing that a record contains can make it raise `Permanent`: what cannot be read becomes a
failed event with the original bytes, whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from processors.answers import failed
from schemas.checks import check_input, check_key
from schemas.errors import Permanent, Reason
from schemas.events import Cause, ImageDeleted, ImageFailed, ImageUploaded
from schemas.headers import (
    DeadLetter,
    Replay,
    continue_trace,
    dead_letter_headers,
    event_headers,
    read_replay,
    replay_headers,
)
from schemas.ids import output_event_id, record_key, undecodable_event_id
from schemas.record import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from processors.handler import ImageHandler
    from processors.ports import Clock, Store
    from schemas.codec import Codec
    from schemas.events import Input, Output
    from schemas.record import Headers, Record
    from schemas.topics import Topics

ORIGINALS: Final = "!originals/"
"""Where originals too large for the failed topic are kept; no encoded tenant contains an exclamation mark."""

MAX_NAME: Final = 249
"""Characters of a replay's id or topic; Kafka's own bound for names of topics."""

RECORD_OVERHEAD: Final = 1024
"""Bytes of a record batch around key, value and headers, generously."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What could be made out of a record."""

    cause: Cause
    replay: Replay | None
    event: Input | None
    """None where it could not be decoded."""
    problem: Permanent | None
    """What is wrong with it; then what the event says of itself is not repeated as news."""


class RecordHandler:
    """`streams.runtime.handler.Handler` for images. Safe to call on many threads."""

    def __init__(  # noqa: PLR0913 - what a handler is made of; the composition root names each
        self,
        codec: Codec,
        images: ImageHandler,
        topics: Topics,
        clock: Clock,
        *,
        store: Store,
        bucket: str,
        topic_id: Callable[[str], bytes],
        source: str = "darkroom/worker",
    ) -> None:
        """``topic_id`` gives a topic's 16-byte id; ``source`` is the CloudEvents source of what is produced."""
        self._codec = codec
        self._images = images
        self._topics = topics
        self._clock = clock
        self._store = store
        self._bucket = bucket
        self._topic_id = topic_id
        self._source = source

    def __call__(self, record: Record) -> list[Outgoing]:
        """Return the answer. Raise `Transient` only (a service is down, a recipe is awaited)."""
        read = self._read(record)
        if read.event is None or read.problem is not None:
            return [self._refused(record, read, read.problem or _invalid("nothing was read"))]
        target = None if read.replay is None else read.replay.target_fingerprint
        answer = self._images(read.event, read.cause, target)
        try:
            return [self._outgoing(record, read, answer)]
        except Permanent as error:
            return [self._refused(record, read, error)]

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> list[Outgoing]:
        """Return the failed event for a record that the engine will not try again. Raise `Transient` only."""
        read = self._read(record)
        event = self._failed(record, read, reason, detail, attempts)
        if reason is Reason.OUTPUT_REFUSED and event.original is not None:
            event = self._by_reference(event, event.original)
        return [self._outgoing(record, read, event)]

    def _refused(self, record: Record, read: _Read, error: Permanent) -> Outgoing:
        return self._outgoing(record, read, self._failed(record, read, error.reason, error.detail, 1))

    def _read(self, record: Record) -> _Read:
        """Return what the record says, and what is wrong with it. Raise `Unavailable` if the registry is down."""
        replay: Replay | None = None
        event: Input | None = None
        problem: Permanent | None = None
        try:
            replay = _replay(record.headers)
            event = self._decoded(record)
            check_input(event, record.key, int(self._clock.now().timestamp() * 1_000_000))
        except Permanent as error:
            problem = error
        cause = Cause(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            event_id=None if event is None else event.event_id,
            replay_id=None if replay is None else replay.replay_id,
        )
        return _Read(cause, replay, event, problem)

    def _decoded(self, record: Record) -> Input:
        event = self._codec.decode(record.topic, record.value)
        if not isinstance(event, ImageUploaded | ImageDeleted):
            raise _invalid(f"{type(event).__name__} is no input")
        return event

    def _failed(self, record: Record, read: _Read, reason: Reason, detail: str, attempts: int) -> ImageFailed:
        """Return the failed event; with the original only where the event itself was at fault."""
        at = self._clock.now()
        if read.event is not None and read.problem is None:
            return failed(read.event, read.cause, reason, detail, failed_at=at, attempts=attempts)
        named = read.event if read.event is not None and _has_its_key(read.event, record.key) else None
        return ImageFailed(
            event_id=self._failed_id(record, read),
            cause=read.cause,
            reason=reason,
            detail=detail,
            attempts=attempts,
            failed_at=at,
            # The hlc stays 0: one from the far future would outrank every news of the image to come.
            tenant=named.tenant if named else None,
            image_id=named.image_id if named else None,
            original=record.value,
        )

    def _failed_id(self, record: Record, read: _Read) -> UUID:
        if read.event is None:
            return undecodable_event_id(self._topic_id(record.topic), record.partition, record.offset)
        return output_event_id(read.event.event_id, "failed", read.cause.replay_id)

    def _outgoing(self, record: Record, read: _Read, event: Output) -> Outgoing:
        """Encode the answer. Raise `Permanent` (``output_refused``) if its topic cannot take it."""
        topic = self._topics.output_for(type(event).__name__)
        headers = self._headers(record, read, event)
        key = record.key if event.tenant is None or event.image_id is None else record_key(event.tenant, event.image_id)
        value = self._codec.encode(topic.name, event)
        size = _size(key, value, headers)
        if size > topic.max_message_bytes:
            if not isinstance(event, ImageFailed) or event.original is None:
                message = f"{type(event).__name__} has {size} bytes, {topic.name} takes {topic.max_message_bytes}"
                raise Permanent(Reason.OUTPUT_REFUSED, message)
            value = self._codec.encode(topic.name, self._by_reference(event, event.original))
        return Outgoing(topic.name, key, value, headers)

    def _by_reference(self, event: ImageFailed, original: bytes) -> ImageFailed:
        """Put the original into the store, under its hash so that a repetition is harmless, and refer to it."""
        key = f"{ORIGINALS}{sha256(original).hexdigest()}"
        self._store.put(self._bucket, key, original, content_type="application/octet-stream")
        return replace(event, original=None, original_ref=f"{self._bucket}/{key}")

    def _headers(self, record: Record, read: _Read, event: Output) -> Headers:
        """CloudEvents, trace, tenant and image; of a replay its own; of a failure the dead letter's."""
        origin = event.cause.event_id or event.event_id
        trace = continue_trace(record.headers, trace_id=origin.hex, span_id=event.event_id.hex[:16])
        headers = event_headers(event, source=self._source, time=self._clock.now(), traceparent=trace)
        if read.replay is not None:
            headers += replay_headers(read.replay)
        if isinstance(event, ImageFailed):
            stage, doer = ("process", "ImageHandler") if read.problem is None else ("read", "RecordHandler")
            message = f"{event.reason}: {event.detail}"
            letter = DeadLetter(record.topic, record.partition, record.offset, stage, doer, message)
            headers += dead_letter_headers(letter)
        return headers


def _replay(headers: Headers) -> Replay | None:
    """Return what is replayed. Raise `Permanent` if a name is so long that the answer might not fit its topic."""
    replay = read_replay(headers)
    if replay is not None and max(len(replay.replay_id), len(replay.topic)) > MAX_NAME:
        raise _invalid(f"a replay id or topic has more than {MAX_NAME} characters")
    return replay


def _invalid(detail: str) -> Permanent:
    return Permanent(Reason.INVALID_EVENT, detail)


def _has_its_key(event: Input, key: bytes | None) -> bool:
    try:
        check_key(event, key)
    except Permanent:
        return False
    return True


def _size(key: bytes | None, value: bytes, headers: Headers) -> int:
    return RECORD_OVERHEAD + len(key or b"") + len(value) + sum(len(name) + len(data or b"") for name, data in headers)
