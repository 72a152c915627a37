"""What comes out for a record: the right topic, key, headers and event, for whatever comes in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.records import ORIGINALS, RecordHandler
from schemas.codec import Codec
from schemas.errors import Permanent, Reason, Unavailable, Waiting
from schemas.events import Attributes, Cause, FocusPoint, ImageFailed, ImageReady, ImageRemoved
from schemas.headers import Replay, read_dead_letter, read_event_headers, read_replay, replay_headers
from schemas.ids import output_event_id, record_key, undecodable_event_id
from schemas.record import Headers, Outgoing, Record
from schemas.topics import MAX_INPUT_BYTES, Topics
from tests.handler.world import HLC, NOON, WatchedStore, World, web_fingerprint
from tests.schemas.builders import MemorySource, registered_source

if TYPE_CHECKING:
    from schemas.events import Event, ImageUploaded, Input

TOPICS = Topics()
TOPIC_ID = bytes(range(16))
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
REPLAY = Replay("spring", "images.uploaded", 5, 1234, None)


class Desk:
    """A record handler in a world, with the codec that reads its answers."""

    def __init__(self, world: World, topics: Topics = TOPICS, source: MemorySource | None = None) -> None:
        self.world = world
        self.codec = Codec(source or registered_source(topics), topics)
        self.topics = topics
        self.handler = RecordHandler(
            self.codec,
            world.handler(),
            topics,
            world.ticks,
            store=world.store,
            bucket=world.bucket,
            topic_id=lambda _: TOPIC_ID,
        )

    def record(self, event: Input, *, headers: Headers = (), topic: str = TOPICS.uploaded.name) -> Record:
        """Return the event as a record."""
        value = self.codec.encode(topic, event)
        return Record(topic, 3, 42, record_key(event.tenant, event.image_id), value, headers, 0)

    def answer(self, record: Record) -> tuple[Event, Outgoing]:
        """Return the one answer, decoded and as it is."""
        (outgoing,) = self.handler(record)
        return self.codec.decode(outgoing.topic, outgoing.value), outgoing

    def failure(self, record: Record) -> ImageFailed:
        """Return the answer, which must be a failed event."""
        event, _ = self.answer(record)
        assert isinstance(event, ImageFailed), event
        return event


@pytest.fixture
def desk(world: World) -> Desk:
    """Return a desk in an empty world."""
    return Desk(world)


def test_an_upload_is_answered_on_the_ready_topic(desk: Desk) -> None:
    """Same key, CloudEvents, tenant and image in the headers, the trace continued, the cause in the event."""
    upload = desk.world.uploaded()
    event, outgoing = desk.answer(desk.record(upload, headers=(TRACE,)))
    assert isinstance(event, ImageReady)
    assert outgoing.topic == "images.ready"
    assert outgoing.key == b"acme/cat%207"
    assert (event.cause.topic, event.cause.partition, event.cause.offset) == ("images.uploaded", 3, 42)
    assert (event.cause.event_id, event.cause.replay_id) == (upload.event_id, None)
    headers = read_event_headers(outgoing.headers)
    assert (headers.event_id, headers.type) == (event.event_id, "darkroom.ImageReady")
    assert (headers.tenant, headers.image_id) == ("acme", "cat 7")
    assert headers.trace is not None
    assert headers.trace.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert headers.trace.span_id != "b7ad6b7169203331"


def test_without_a_trace_one_begins_the_same_on_every_attempt(desk: Desk) -> None:
    """Its name follows from the source event."""
    upload = desk.world.uploaded()
    traces = {read_event_headers(desk.answer(desk.record(upload))[1].headers).trace for _ in range(2)}
    assert len(traces) == 1
    (trace,) = traces
    assert trace is not None
    assert trace.trace_id == upload.event_id.hex


def test_a_delete_is_answered_on_the_deleted_topic(desk: Desk) -> None:
    """ImageRemoved, under the same key."""
    event, outgoing = desk.answer(desk.record(desk.world.deleted(), topic=TOPICS.bulk.name))
    assert isinstance(event, ImageRemoved)
    assert (outgoing.topic, outgoing.key) == ("images.deleted", b"acme/cat%207")


def test_a_failure_is_answered_on_the_failed_topic_with_dead_letter_headers(desk: Desk) -> None:
    """The reason, where it came from; no original, since the event itself was fine."""
    upload = desk.world.uploaded(b"broken")
    event, outgoing = desk.answer(desk.record(upload))
    assert isinstance(event, ImageFailed)
    assert (outgoing.topic, outgoing.key) == ("images.failed", b"acme/cat%207")
    assert (event.reason, event.original, event.attempts) == (Reason.TRUNCATED, None, 1)
    assert event.failed_at == desk.world.ticks.now()
    letter = read_dead_letter(outgoing.headers)
    assert letter is not None
    assert (letter.topic, letter.partition, letter.offset) == ("images.uploaded", 3, 42)
    assert letter.message.startswith("truncated: ")


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\0", b"{}", b"\0\0\0\0\1", b"\0\0\0\0\x63junk", b"\0\xff\xff\xff\xffjunk", bytes(1000)],
)
@pytest.mark.parametrize("key", [None, b"acme/cat%207", b"\xff\0/../", b""])
def test_what_cannot_be_read_is_kept_whole(desk: Desk, value: bytes | None, key: bytes | None) -> None:
    """invalid_event, with the original bytes, under the key it had, with an id made of where it was."""
    event, outgoing = desk.answer(Record("images.uploaded", 3, 42, key, value, (), 0))
    assert isinstance(event, ImageFailed)
    assert (event.reason, event.original, event.tenant, event.hlc) == (Reason.INVALID_EVENT, value, None, 0)
    assert event.event_id == undecodable_event_id(TOPIC_ID, 3, 42)
    assert event.cause.event_id is None
    assert outgoing.key == key
    assert read_dead_letter(outgoing.headers) is not None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"\0\0\0\0\1" + data),
    key=st.none() | st.binary(max_size=20),
    headers=st.lists(
        st.tuples(st.sampled_from(["traceparent", "darkroom_replay_id", "ce_id", "x"]), st.binary(max_size=20)),
        max_size=3,
    ).map(tuple),
)
def test_no_bytes_make_it_raise(desk: Desk, value: bytes, key: bytes | None, headers: Headers) -> None:
    """Whatever a record holds, exactly one failed event with the same bytes answers it."""
    event = desk.failure(Record("images.uploaded", 3, 42, key, value, headers, 0))
    assert (event.reason, event.original) == (Reason.INVALID_EVENT, value)


def test_the_largest_input_fits_the_failed_topic_whole(desk: Desk) -> None:
    """A megabyte of junk is carried, not referred to."""
    event, outgoing = desk.answer(Record("images.uploaded", 3, 42, b"k", bytes(MAX_INPUT_BYTES), (), 0))
    assert isinstance(event, ImageFailed)
    assert event.original == bytes(MAX_INPUT_BYTES)
    assert len(outgoing.value or b"") < TOPICS.failed.max_message_bytes


def test_a_larger_original_goes_to_the_store(desk: Desk) -> None:
    """Where the topic cannot take it, the event says where it is; a repetition writes the same object."""
    junk = b"\1" * TOPICS.failed.max_message_bytes
    record = Record("images.uploaded", 3, 42, b"k", junk, (), 0)
    first, again = desk.failure(record), desk.failure(record)
    assert first == again
    assert first.original is None
    assert first.original_ref is not None
    bucket, _, key = first.original_ref.partition("/")
    assert key.startswith(ORIGINALS)
    blob = desk.world.store.fetch(bucket, key, limit=len(junk))
    assert blob is not None
    assert blob.data == junk


def test_an_original_that_the_broker_refused_goes_to_the_store(desk: Desk) -> None:
    """Given up as output_refused, it is not sent again as it was."""
    (outgoing,) = desk.handler.give_up(
        Record("images.uploaded", 3, 42, b"k", b"junk", (), 0), Reason.OUTPUT_REFUSED, "too large", 1
    )
    event = desk.codec.decode(outgoing.topic, outgoing.value)
    assert isinstance(event, ImageFailed)
    assert (event.original, event.reason) == (None, Reason.OUTPUT_REFUSED)
    assert event.original_ref is not None


def invalid(upload: ImageUploaded, what: str) -> ImageUploaded:
    """Return an upload that can be read and must not be acted on."""
    return {
        "far future": replace(upload, hlc=HLC + (3_600_000 << 16)),
        "no clock": replace(upload, hlc=0),
        "hash": replace(upload, source=replace(upload.source, sha256="../../x")),
        "focus": replace(upload, attributes=Attributes(FocusPoint(float("nan"), 0.5))),
        "size": replace(upload, source=replace(upload.source, size=-1)),
        "no bucket": replace(upload, source=replace(upload.source, bucket="")),
    }[what]


@pytest.mark.parametrize("what", ["far future", "no clock", "hash", "focus", "size", "no bucket"])
def test_a_readable_event_that_is_wrong_is_invalid(desk: Desk, what: str) -> None:
    """It keeps its names, its id and its bytes, but not its clock: that could outrank all news to come."""
    upload = invalid(desk.world.uploaded(), what)
    record = desk.record(upload)
    event = desk.failure(record)
    assert (event.reason, event.original, event.hlc) == (Reason.INVALID_EVENT, record.value, 0)
    assert (event.tenant, event.image_id) == ("acme", "cat 7")
    assert event.event_id == output_event_id(upload.event_id, "failed")
    assert desk.world.objects() == {}


@pytest.mark.parametrize("key", [None, b"", b"other/cat%207", b"acme/cat 7", b"acme"])
def test_a_key_that_contradicts_its_event_is_invalid(desk: Desk, key: bytes | None) -> None:
    """Nothing is said about the image that the event claims to be about."""
    record = desk.record(desk.world.uploaded())._replace(key=key)
    event, outgoing = desk.answer(record)
    assert isinstance(event, ImageFailed)
    assert (event.reason, event.tenant, event.image_id) == (Reason.INVALID_EVENT, None, None)
    assert outgoing.key == key


def test_an_output_on_an_input_topic_is_invalid(desk: Desk) -> None:
    """Only uploads and deletes are inputs."""
    removed = ImageRemoved(desk.world.deleted().event_id, Cause("images.uploaded", 0, 0), "acme", "cat 7", HLC, 0, NOON)
    record = Record("images.uploaded", 3, 42, b"k", desk.codec.encode("images.deleted", removed), (), 0)
    assert desk.failure(record).reason is Reason.INVALID_EVENT


def test_a_replay_answers_under_ids_of_its_own_and_repeats_its_headers(desk: Desk) -> None:
    """The cause is the record on the replay topic; the original's coordinates stay in the headers."""
    upload = desk.world.uploaded()
    live, _ = desk.answer(desk.record(upload))
    record = desk.record(upload, headers=replay_headers(REPLAY), topic=TOPICS.replay.name)
    event, outgoing = desk.answer(record)
    assert isinstance(event, ImageReady)
    assert event.deduplicated
    assert (event.cause.topic, event.cause.replay_id) == ("images.replay", "spring")
    assert event.event_id == output_event_id(upload.event_id, "ready", "spring") != live.event_id
    assert read_replay(outgoing.headers) == REPLAY


def test_a_replay_waits_for_a_worker_with_its_fingerprint(desk: Desk) -> None:
    """Transient, with the reason to give up with; answered where the fingerprint is the one wanted."""
    upload = desk.world.uploaded()

    def record(target: str) -> Record:
        headers = replay_headers(replace(REPLAY, target_fingerprint=target))
        return desk.record(upload, headers=headers, topic=TOPICS.replay.name)

    with pytest.raises(Waiting) as caught:
        desk.handler(record("0" * 16))
    assert caught.value.reason is Reason.UNKNOWN_RECIPE
    assert isinstance(desk.answer(record(web_fingerprint()))[0], ImageReady)


@pytest.mark.parametrize(
    "headers",
    [
        (("darkroom_replay_id", b"spring"),),
        (("darkroom_target_fingerprint", b"0" * 16),),
        (*replay_headers(REPLAY), ("darkroom_target_fingerprint", b"no hex")),
        replay_headers(replace(REPLAY, replay_id="x" * 100_000)),
    ],
)
def test_broken_replay_headers_are_not_taken_for_live_traffic(desk: Desk, headers: Headers) -> None:
    """Such a record is invalid, and its failure has not the id of a live one."""
    upload = desk.world.uploaded()
    event = desk.failure(desk.record(upload, headers=headers, topic=TOPICS.replay.name))
    assert event.reason is Reason.INVALID_EVENT
    assert event.event_id != output_event_id(upload.event_id, "failed")


def test_a_registry_that_is_down_is_waited_for(world: World) -> None:
    """Never dead-lettered: the error goes to the engine, also when it gives up."""

    class Down(MemorySource):
        def schema_by_id(self, schema_id: int) -> str:  # noqa: ARG002 - down for every id
            message = "down"
            raise Unavailable("registry", message)

    down = Desk(world, source=Down())
    record = Desk(world).record(world.uploaded())
    with pytest.raises(Unavailable):
        down.handler(record)
    with pytest.raises(Unavailable):
        down.handler.give_up(record, Reason.WORKER_CRASHED, "again and again", 3)


def test_giving_up_names_reason_and_attempts(desk: Desk) -> None:
    """The failed event of a record that the engine stopped trying."""
    upload = desk.world.uploaded()
    (outgoing,) = desk.handler.give_up(desk.record(upload), Reason.RETRIES_EXHAUSTED, "the store hung", 8)
    event = desk.codec.decode(outgoing.topic, outgoing.value)
    assert isinstance(event, ImageFailed)
    assert (event.reason, event.detail, event.attempts) == (Reason.RETRIES_EXHAUSTED, "the store hung", 8)
    assert (event.tenant, event.image_id, event.hlc, event.recipe) == ("acme", "cat 7", HLC, "web")
    assert event.event_id == output_event_id(upload.event_id, "failed")


def test_giving_up_on_what_cannot_be_read_keeps_the_bytes(desk: Desk) -> None:
    """The engine's reason, the original whole."""
    (outgoing,) = desk.handler.give_up(
        Record("images.uploaded", 3, 42, None, b"junk", (), 0), Reason.INTERNAL, "bug", 1
    )
    event = desk.codec.decode(outgoing.topic, outgoing.value)
    assert isinstance(event, ImageFailed)
    assert (event.reason, event.original) == (Reason.INTERNAL, b"junk")


def test_an_answer_too_large_for_its_topic_is_refused_here(world: World) -> None:
    """Before it could stop a whole transaction: output_refused on the failed topic instead."""
    topics = Topics()
    topics.__dict__["ready"] = replace(TOPICS.ready, max_message_bytes=1500)
    desk = Desk(world, topics)
    event = desk.failure(desk.record(world.uploaded()))
    assert event.reason is Reason.OUTPUT_REFUSED
    assert "images.ready" in event.detail


@pytest.mark.parametrize("field", ["recipe", "reason", "alt"])
def test_endless_texts_still_get_an_answer(desk: Desk, field: str) -> None:
    """As long as an input may be: the answer fits its topic."""
    long = "x" * (MAX_INPUT_BYTES - 2000)
    world = desk.world
    if field == "reason":
        event, _ = desk.answer(desk.record(replace(world.deleted(), reason=long)))
        assert isinstance(event, ImageRemoved)
        return
    upload = world.uploaded()
    if field == "alt":
        event, _ = desk.answer(desk.record(replace(upload, attributes=Attributes(alt_text=long))))
        assert isinstance(event, ImageReady)
        return
    record = desk.record(replace(upload, recipe=long))
    with pytest.raises(Waiting) as caught:
        desk.handler(record)
    assert len(str(caught.value)) < 1000
    (outgoing,) = desk.handler.give_up(record, Reason.UNKNOWN_RECIPE, str(caught.value), 20)
    assert len(outgoing.value or b"") < TOPICS.failed.max_message_bytes


def test_permanent_never_comes_out(desk: Desk) -> None:
    """A store that refuses for good is a failed event, not an error of the handler."""

    def refuse(_: int) -> None:
        message = "no such key can be"
        raise Permanent(Reason.OUTPUT_REFUSED, message)

    upload = desk.world.uploaded()
    refusing = World(WatchedStore(desk.world.store, before=refuse))
    assert Desk(refusing).failure(desk.record(upload)).reason is Reason.OUTPUT_REFUSED
