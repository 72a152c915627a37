"""Whatever bytes arrive, an event or ``invalid_event`` comes out; and what one release wrote, the next one reads."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_files import RECORDS, schema_text
from schemas.codec import MAX_DETAIL_CHARACTERS, Codec, NotRegistered
from schemas.errors import Permanent, Reason, Unavailable
from schemas.events import Event, ImageFailed, ImageUploaded
from schemas.topics import FAILED, READY, UPLOADED
from tests.schemas.builders import EVENTS, FULL, MINIMAL, TOPIC_OF, TOPICS, MemorySource, new_codec, registered_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.events import ImageReady

CODEC = new_codec()
UPLOADS = TOPICS.uploaded.name
UPLOAD, FAILURE = FULL[UPLOADED], FULL[FAILED]
assert isinstance(UPLOAD, ImageUploaded)
VALUE = CODEC.encode(UPLOADS, FULL[UPLOADED])


def refusal(value: bytes | None, topic: str = UPLOADS, codec: Codec = CODEC) -> str:
    """Return the detail with which a value is refused as an invalid event."""
    with pytest.raises(Permanent) as caught:
        codec.decode(topic, value)
    assert caught.value.reason is Reason.INVALID_EVENT
    return caught.value.detail


def written_by(schema: dict[str, Any], plain: dict[str, Any], source: MemorySource) -> bytes:
    """Return a record value as a program with another schema would write it."""
    schema_id = source.register("somebody-else", json.dumps(schema))
    buffer = BytesIO()
    buffer.write(b"\0" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), plain)
    return buffer.getvalue()


def changed(record: str, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return our schema of a record after a change to it."""
    schema: dict[str, Any] = json.loads(schema_text(record))
    change(schema)
    return schema


def plain_upload(**more: object) -> dict[str, Any]:
    """Return an upload as fastavro writes it."""
    source = {"bucket": "b", "key": "k", "size": 1}
    ids = {"event_id": "00000000-0000-0000-0000-000000000001", "tenant": "t", "image_id": "i"}
    return {**ids, "source": source, "recipe": "web", "uploaded_at": datetime(2026, 1, 1, tzinfo=UTC), "hlc": 1, **more}


@pytest.mark.parametrize("record", RECORDS)
@settings(max_examples=150)
@given(data=st.data())
def test_every_event_comes_back(record: str, data: st.DataObject) -> None:
    """Encoding and decoding any event gives the same event."""
    event = data.draw(EVENTS[record])
    assert CODEC.decode(TOPIC_OF[record], CODEC.encode(TOPIC_OF[record], event)) == event


@pytest.mark.parametrize("event", [*FULL.values(), *MINIMAL.values()], ids=lambda event: type(event).__name__)
def test_the_wire_format_is_confluent_s(event: Event) -> None:
    """A zero byte, the schema's id as big-endian int32, then Avro that any other reader understands."""
    source = registered_source()
    record = type(event).__name__
    value = Codec(source, TOPICS).encode(TOPIC_OF[record], event)
    assert value[0] == 0
    text = source.texts[int.from_bytes(value[1:5], "big")]
    read = fastavro.schemaless_reader(BytesIO(value[5:]), fastavro.parse_schema(json.loads(text)), None)
    assert read["event_id"] == event.event_id  # type: ignore[call-overload,index]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "no value"),
        (b"", "does not start"),
        (b"\0\0\0\0", "does not start"),
        (b"\1" + VALUE[1:], "does not start"),
        (b'{"tenant": "t"}', "does not start"),
        (VALUE[:5], "cannot be read"),
        (VALUE[:-1], "cannot be read"),
        (VALUE + b"\0", "1 bytes follow"),
        (b"\0\0\0\xff\xff" + VALUE[5:], "not in the registry"),
        (b"\0\xff\xff\xff\xff" + VALUE[5:], "negative"),
    ],
)
def test_a_value_that_is_not_ours_is_invalid(value: bytes | None, says: str) -> None:
    """Null, empty, foreign, truncated, padded or of an unknown schema: refused, and the detail says which."""
    assert says in refusal(value)


@pytest.mark.parametrize("cut", range(len(VALUE)))
def test_no_truncation_is_taken_for_an_event(cut: int) -> None:
    """Every proper prefix of a value is refused."""
    refusal(VALUE[:cut])


def test_a_record_type_belongs_on_its_topic() -> None:
    """A ready event on an input topic is refused, and encoding one for it is a programming error."""
    ready = CODEC.encode(TOPIC_OF[READY], FULL[READY])
    assert "does not belong" in refusal(ready, UPLOADS)
    with pytest.raises(ValueError, match="does not belong"):
        CODEC.encode(UPLOADS, FULL[READY])


def test_a_topic_outside_the_catalogue_carries_any_of_our_records() -> None:
    """Parked events and a replay's own topics are read like any other."""
    ready = CODEC.encode(TOPIC_OF[READY], FULL[READY])
    assert CODEC.decode("shop.parked", ready) == FULL[READY]


@settings(max_examples=2000)
@given(st.binary(max_size=200))
def test_random_bytes_never_break_anything(noise: bytes) -> None:
    """Any bytes, bare or behind a valid header, give an event or a Permanent; nothing else escapes."""
    for topic, value in ((UPLOADS, noise), (UPLOADS, VALUE[:5] + noise), (TOPIC_OF[READY], b"\0\0\0\0\7" + noise)):
        survive(topic, value)


@pytest.mark.parametrize("record", RECORDS)
@settings(max_examples=800)
@given(data=st.data())
def test_mutated_events_never_break_anything(record: str, data: st.DataObject) -> None:
    """A valid event with bytes replaced, removed or repeated gives an event or a Permanent; nothing else escapes."""
    value = bytearray(CODEC.encode(TOPIC_OF[record], FULL[record]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(5, len(value) - 1))
        size = data.draw(st.integers(0, 12))
        value[at : at + size] = data.draw(st.binary(max_size=12))
        if len(value) < 6:
            break
    survive(TOPIC_OF[record], bytes(value))


def survive(topic: str, value: bytes) -> None:
    """Decode; a Permanent for an invalid event is fine, every other error fails the test."""
    try:
        event = CODEC.decode(topic, value)
    except Permanent as error:
        if error.reason is not Reason.INVALID_EVENT:
            raise
    else:
        assert isinstance(event, Event)


def test_lengths_from_hell_are_refused_at_once() -> None:
    """A length or count near 2**63 neither allocates nor loops: what is not there cannot be read."""
    huge = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    for at in range(5, len(VALUE)):
        refusal(VALUE[:at] + huge)


def test_a_newer_writer_s_field_is_ignored() -> None:
    """A release that knows one field more is read by this one."""
    source = registered_source()
    newer = changed(UPLOADED, lambda s: s["fields"].insert(3, {"name": "camera", "type": "string", "default": ""}))
    event = Codec(source, TOPICS).decode(UPLOADS, written_by(newer, plain_upload(camera="X100"), source))
    assert isinstance(event, ImageUploaded)
    assert (event.tenant, event.source.key) == ("t", "k")


def test_an_older_writer_s_missing_field_has_its_default() -> None:
    """A release that lacks fields with defaults is read by this one."""
    source = registered_source()
    older = changed(UPLOADED, lambda s: s["fields"].__delitem__(slice(-2, None)))
    event = Codec(source, TOPICS).decode(UPLOADS, written_by(older, plain_upload(), source))
    assert isinstance(event, ImageUploaded)
    assert (event.region, event.attributes.alt_text, event.attributes.extra) == ("", None, {})


def test_a_newer_writer_s_reason_is_read_as_other() -> None:
    """A reason code that this release does not know does not make the event unreadable."""
    source = registered_source()

    def add_symbol(schema: dict[str, Any]) -> None:
        (reason,) = [field["type"] for field in schema["fields"] if field["name"] == "reason"]
        reason["symbols"].append("cosmic_ray")

    plain = {
        **dict.fromkeys(("tenant", "image_id", "recipe", "original", "original_ref")),
        "event_id": "00000000-0000-0000-0000-000000000001",
        "cause": {"topic": "t", "partition": 0, "offset": 0, "event_id": None, "replay_id": None},
        "reason": "cosmic_ray", "detail": "", "attempts": 1, "failed_at": 0, "hlc": 0,
    }  # fmt: skip
    value = written_by(changed(FAILED, add_symbol), plain, source)
    event = Codec(source, TOPICS).decode(TOPIC_OF[FAILED], value)
    assert isinstance(event, ImageFailed)
    assert event.reason is Reason.OTHER


def test_a_writer_without_logical_types_is_read_all_the_same() -> None:
    """The bytes are the same, so a service that dropped the annotations still publishes good events."""
    source = registered_source()
    bare = json.loads(
        schema_text(UPLOADED).replace(',\n        "logicalType": "uuid"', "").replace("timestamp-micros", "x")
    )
    event = Codec(source, TOPICS).decode(UPLOADS, written_by(bare, plain_upload(uploaded_at=1_000_000), source))
    assert isinstance(event, ImageUploaded)
    assert event.uploaded_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def _rename(schema: dict[str, Any]) -> None:
    schema["name"] = "ImageUploadedToo"


def _move(schema: dict[str, Any]) -> None:
    schema["namespace"] = "elsewhere"


def _retype(schema: dict[str, Any]) -> None:
    schema["fields"][1]["type"] = "double"


def _recurse(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "parent", "type": ["null", "ImageUploaded"], "default": None})


def _inflate(schema: dict[str, Any]) -> None:
    nothing = {"type": "record", "name": "Nothing", "fields": [{"name": "n", "type": "null"}]}
    schema["fields"].append({"name": "air", "type": {"type": "array", "items": nothing}, "default": []})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_rename, "is not ours"),
        (_move, "is not ours"),
        (_retype, "ImageUploaded.tenant: written type double cannot be read as string"),
        (_recurse, "recursive"),
        (_inflate, "no bytes"),
    ],
)
def test_a_foreign_or_dangerous_schema_is_refused_before_reading(
    change: Callable[[dict[str, Any]], None], says: str
) -> None:
    """An id may name anybody's schema: what is not ours, not resolvable or could run away is not read with."""
    source = registered_source()
    schema_id = source.register("somebody-else", json.dumps(changed(UPLOADED, change)))
    value = b"\0" + schema_id.to_bytes(4, "big") + b"\2" * 100_000
    assert says in refusal(value, codec=Codec(source, TOPICS))


@pytest.mark.parametrize(
    "text", ['"string"', '["null", "string"]', "[]", "{}", "no json", '{"type": "record"}', "null", "7"]
)
def test_a_schema_that_is_no_record_is_refused(text: str) -> None:
    """Whatever the registry hands out under an id, it is an invalid event at worst."""
    source = registered_source()
    schema_id = source.register("somebody-else", text)
    refusal(b"\0" + schema_id.to_bytes(4, "big") + b"\0\0", codec=Codec(source, TOPICS))


def test_the_registry_is_asked_once_a_schema() -> None:
    """Ids and schemas are kept: a thousand events ask no more than the first."""
    source = registered_source()
    codec = Codec(source, TOPICS)
    for _ in range(1000):
        codec.decode(UPLOADS, codec.encode(UPLOADS, MINIMAL[UPLOADED]))
    assert source.asked == 2


class Down:
    """A registry that does not answer."""

    def schema_by_id(self, schema_id: int) -> str:
        raise Unavailable("registry", f"no answer about {schema_id}")

    def schema_id(self, subject: str, schema: str) -> int:
        raise Unavailable("registry", f"no answer about {subject} {len(schema)}")


def test_a_registry_that_is_down_is_no_invalid_event() -> None:
    """An outage is waited out: neither decoding nor encoding may turn it into a failed event."""
    codec = Codec(Down(), TOPICS)
    with pytest.raises(Unavailable, match="registry"):
        codec.decode(UPLOADS, VALUE)
    with pytest.raises(Unavailable, match="registry"):
        codec.encode(UPLOADS, FULL[UPLOADED])


def test_a_missing_registration_says_what_to_run() -> None:
    """Nothing registers by itself: the error names the verb, and it survives a process border."""
    with pytest.raises(NotRegistered, match="darkroom schemas register") as caught:
        Codec(MemorySource(), TOPICS).look_up(TOPICS.outputs)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (replace(UPLOAD, hlc=2**63), Reason.INVALID_EVENT),
        (replace(UPLOAD, tenant="\ud800"), Reason.INVALID_EVENT),
        (replace(UPLOAD, uploaded_at=datetime(2026, 1, 1)), Reason.INVALID_EVENT),  # noqa: DTZ001 - on purpose
        (replace(FULL[READY], hlc=2**63), Reason.OUTPUT_REFUSED),
    ],
)  # fmt: skip
def test_an_event_that_avro_cannot_carry_is_permanent(event: Event, reason: Reason) -> None:
    """An output that cannot be written is refused as an output, an input as an invalid event."""
    with pytest.raises(Permanent) as caught:
        CODEC.encode(TOPIC_OF[type(event).__name__], event)
    assert caught.value.reason is reason


def test_a_failed_event_never_fails_over_its_own_detail() -> None:
    """An endless error message, or one with half a surrogate pair, is cut and cleaned."""
    assert isinstance(FAILURE, ImageFailed)
    event = replace(FAILURE, detail="\ud800" + "x" * 1_000_000)
    read = CODEC.decode(TOPIC_OF[FAILED], CODEC.encode(TOPIC_OF[FAILED], event))
    assert isinstance(read, ImageFailed)
    assert read.detail == "?" + "x" * (MAX_DETAIL_CHARACTERS - 1)


def test_variants_come_back_as_a_tuple() -> None:
    """A decoded event is as immutable as one that was made."""
    ready: ImageReady = CODEC.decode(TOPIC_OF[READY], CODEC.encode(TOPIC_OF[READY], FULL[READY]))  # type: ignore[assignment]
    assert isinstance(ready.variants, tuple)
