"""Events to bytes and back: Avro in Confluent's wire format (0x00, schema id as big-endian int32, Avro).

Decoding is the border at which hostile bytes arrive: whatever they are, it returns an event or raises `Permanent`
(``invalid_event``), or `Unavailable` when the registry is down. It does not look at keys, headers or what the fields
mean (`schemas.checks` does). Safe to share among threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final, Protocol

import fastavro

from schemas.avro_files import RECORDS, Schema, schema_of, schema_text
from schemas.errors import Permanent, Reason, Unavailable
from schemas.events import Event, ImageDeleted, ImageUploaded
from schemas.mapping import to_plain
from schemas.topics import FAILED, Topic, Topics, subject
from schemas.writers import Writer, judge_writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.mapping import Convert

MAX_DETAIL_CHARACTERS: Final = 4096
"""Longest detail of a failed event: the event around an original stays small whatever an error had to say."""

_MAGIC: Final = 0
_HEADER_BYTES: Final = 5


class NotRegistered(Unavailable):
    """A schema of ours is not in the registry: somebody has a step to do, so waiting helps and giving up does not."""


class SchemaSource(Protocol):
    """The registry, as far as the codec needs it. Both methods raise `Unavailable` ("registry") when it is down."""

    def schema_by_id(self, schema_id: int) -> str:
        """Return the text of a schema. Raise `Permanent` (``invalid_event``) for an id that nobody registered."""
        ...

    def schema_id(self, subject: str, schema: str) -> int:
        """Return the id under which a schema is registered; never register it. Raise `NotRegistered` if it is not."""
        ...


@dataclass(frozen=True, slots=True)
class _Encoder:
    prefix: bytes
    schema: Schema
    convert: Convert


class Codec:
    """Encodes and decodes the events of one installation, asking the registry once for each schema."""

    def __init__(self, source: SchemaSource, topics: Topics) -> None:
        self._source = source
        self._topics = topics.by_name
        # Filled by any thread; a race only means asking the registry twice for the same answer.
        self._writers: dict[int, Writer] = {}
        self._encoders: dict[tuple[str, type], _Encoder] = {}

    def encode(self, topic: str, event: Event) -> bytes:
        """Return the event as a record value for this topic.

        Raise `NotRegistered` or `Unavailable` for the registry's part, `Permanent` for an event that Avro cannot carry
        (``output_refused``, for inputs ``invalid_event``), ValueError for a record type that the topic does not take.
        """
        encoder = self._encoders.get((topic, type(event))) or self._make_encoder(topic, type(event))
        buffer = BytesIO()
        buffer.write(encoder.prefix)
        try:
            fastavro.schemaless_writer(buffer, encoder.schema, encoder.convert(event))
        except Exception as error:  # fastavro raises many kinds for a value that does not fit
            reason = Reason.INVALID_EVENT if isinstance(event, ImageUploaded | ImageDeleted) else Reason.OUTPUT_REFUSED
            message = f"{type(event).__name__} cannot be written: {type(error).__name__}: {error}"
            raise Permanent(reason, _clean(message)) from error
        return buffer.getvalue()

    def decode(self, topic: str, value: bytes | None) -> Event:
        """Return the event in a record value of this topic; raise nothing but `Permanent` and `Unavailable`.

        A topic that is not in the catalogue (parked events, a replay's own topic) may carry any of our record types.
        """
        if value is None:
            raise _invalid("record has no value")
        if len(value) < _HEADER_BYTES or value[0] != _MAGIC:
            raise _invalid(f"value of {len(value)} bytes does not start with 0x00 and a schema id")
        schema_id = int.from_bytes(value[1:_HEADER_BYTES], "big", signed=True)
        writer = self._writers.get(schema_id) or self._load_writer(schema_id)
        known = self._topics.get(topic)
        if known is not None and writer.record not in known.records:
            raise _invalid(f"{writer.record} does not belong on topic {topic}")
        buffer = BytesIO(value)
        buffer.seek(_HEADER_BYTES)
        try:
            event: Event = writer.build(fastavro.schemaless_reader(buffer, writer.schema, writer.reader))
        except Exception as error:  # hostile bytes: fastavro and the conversions raise many kinds
            raise _invalid(f"{writer.record} cannot be read: {type(error).__name__}: {error}") from error
        if buffer.tell() != len(value):
            raise _invalid(f"{len(value) - buffer.tell()} bytes follow the {writer.record}")
        return event

    def look_up(self, topics: Iterable[Topic]) -> None:
        """Ask for the id of every record type on these topics, so that what is missing shows at the start."""
        for topic in topics:
            for record in topic.records:
                self._source.schema_id(topic.subject(record), schema_text(record))

    def _make_encoder(self, topic: str, cls: type) -> _Encoder:
        record = cls.__name__
        known = self._topics.get(topic)
        if record not in (RECORDS if known is None else known.records):
            message = f"{record} does not belong on topic {topic}"
            raise ValueError(message)
        schema_id = self._source.schema_id(subject(topic, record), schema_text(record))
        prefix = bytes([_MAGIC]) + schema_id.to_bytes(_HEADER_BYTES - 1, "big", signed=True)
        convert = _with_clean_detail(to_plain(cls)) if record == FAILED else to_plain(cls)
        encoder = self._encoders[topic, cls] = _Encoder(prefix, schema_of(record), convert)
        return encoder

    def _load_writer(self, schema_id: int) -> Writer:
        if schema_id < 0:
            raise _invalid(f"schema id {schema_id} is negative")
        writer = self._writers[schema_id] = judge_writer(self._source.schema_by_id(schema_id))
        return writer


def _with_clean_detail(convert: Convert) -> Convert:
    """Keep a failed event from failing itself over an error message that is endless or no valid Unicode."""

    def convert_failed(event: Event) -> dict[str, object]:
        plain: dict[str, object] = convert(event)
        plain["detail"] = _clean(str(plain["detail"]))
        return plain

    return convert_failed


def _clean(text: str) -> str:
    return text[:MAX_DETAIL_CHARACTERS].encode("utf-8", "replace").decode()


def _invalid(detail: str) -> Permanent:
    return Permanent(Reason.INVALID_EVENT, _clean(detail))
