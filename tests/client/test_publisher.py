"""What a publisher promises: the object first, one event a publish, and every failure heard by somebody."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Message

from schemas.errors import Permanent, Reason, Unavailable
from schemas.events import Attributes, FocusPoint, ImageDeleted, ImageUploaded
from schemas.headers import read_event_headers
from schemas.ids import record_key
from streams.client.errors import ClosedError, ForkedError, RefusedError, UndeliveredError
from streams.client.publisher import Publisher
from streams.client.sender import landed
from streams.client.uploads import ObjectRef, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemas.record import Record
    from streams.client.parts import Parts
    from streams.client.publication import Publication
    from tests.client.world import World

JPEG = b"\xff\xd8\xff\xe0 as good as a photograph"


@pytest.fixture
def publisher(world: World) -> Iterator[Publisher]:
    """Yield a publisher of this test's own."""
    with Publisher(world.parts) as publisher:
        yield publisher


def said(world: World, tenant: str, topic: str | None = None) -> list[tuple[Record, ImageUploaded | ImageDeleted]]:
    """Return what was published for the tenant, in order."""
    found = []
    for record in world.records(topic or world.parts.topics.uploaded.name):
        if dict(record.headers)["tenant"] == tenant.encode():
            event = world.parts.codec.decode(record.topic, record.value)
            assert isinstance(event, ImageUploaded | ImageDeleted)
            found.append((record, event))
    return found


def unreachable(parts: Parts) -> Parts:
    """Return the parts with nobody at the brokers' address."""
    return replace(parts, kafka={"bootstrap.servers": "127.0.0.1:1"})


def test_a_file_is_uploaded_and_then_said(world: World, publisher: Publisher, tenant: str, tmp_path: Path) -> None:
    """The event describes the object that is in the upload bucket, whose key contains the hash of its bytes."""
    path = tmp_path / "Katze №7.JPG"
    path.write_bytes(JPEG)
    focus = Attributes(FocusPoint(0.2, 0.8), "a cat", {"album": "7"})

    publication = publisher.publish_file(path, tenant=tenant, image_id="Katze/7", recipe="avatar", attributes=focus)
    delivery = publication.result(10)

    ((record, event),) = said(world, tenant)
    digest = hashlib.sha256(JPEG).hexdigest()
    assert isinstance(event, ImageUploaded)
    assert event == publication.event
    assert (event.event_id, event.hlc) == (publication.event_id, publication.hlc)
    assert (event.tenant, event.image_id, event.recipe, event.attributes) == (tenant, "Katze/7", "avatar", focus)
    assert event.source.key == f"{tenant}/Katze%2F7/{digest}.jpg"
    assert (event.source.size, event.source.sha256, event.source.content_type) == (len(JPEG), digest, "image/jpeg")
    stored = world.objects.fetch(event.source.bucket, event.source.key, limit=1000)
    assert stored is not None
    assert (stored.data, stored.etag, stored.content_type) == (JPEG, event.source.etag, "image/jpeg")
    assert (delivery.topic, delivery.partition, delivery.offset) == (record.topic, record.partition, record.offset)
    assert record.key == record_key(tenant, "Katze/7")
    headers = read_event_headers(record.headers)
    assert (headers.event_id, headers.type) == (event.event_id, "darkroom.ImageUploaded")
    assert headers.trace is not None


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (JPEG, "jpg"),
        (b"\x89PNG\r\n\x1a\n...", "png"),
        (b"RIFF1234WEBPVP8 ", "webp"),
        (b"1234ftypavif", "avif"),
        (b"GIF89a", "gif"),
        (b"text", "bin"),
        (b"", "bin"),
    ],
)
def test_bytes_are_labelled_by_what_they_seem_to_be(
    publisher: Publisher, tenant: str, data: bytes, extension: str
) -> None:
    """The extension follows the first bytes; nothing is refused for looking odd, the workers decide."""
    publication = publisher.publish_bytes(data, tenant=tenant, image_id="1")

    assert isinstance(publication.event, ImageUploaded)
    assert publication.event.source.key.endswith(f".{extension}")


def test_an_object_in_a_bucket_is_published_as_it_is(world: World, publisher: Publisher, tenant: str) -> None:
    """Nothing is copied or hashed; the event has the object's own size and etag, and goes the lane asked for."""
    bucket = world.parts.upload_bucket
    stored = world.objects.upload(bucket, f"{tenant}/import/1", JPEG, content_type="image/jpeg")

    publisher.publish_object(bucket, stored.key, tenant=tenant, image_id="1", lane="bulk").result(10)

    ((_, event),) = said(world, tenant, world.parts.topics.bulk.name)
    assert isinstance(event, ImageUploaded)
    assert (event.source.bucket, event.source.key, event.source.sha256) == (bucket, stored.key, None)
    assert (event.source.size, event.source.etag) == (len(JPEG), stored.etag)


def test_an_object_that_no_worker_could_read_is_refused_at_once(world: World, tenant: str) -> None:
    """A missing object, and one outside the allowed places (which is not even looked for), never become events."""

    def nowhere(*_: str) -> None:
        raise Permanent(Reason.SOURCE_NOT_ALLOWED, "not there")

    with Publisher(world.parts) as publisher, pytest.raises(Permanent) as missing:
        publisher.publish_object(world.parts.upload_bucket, "not/there", tenant=tenant, image_id="1")
    closed = replace(world.parts, check_source=nowhere, store=lambda: pytest.fail("asked the store"))
    with Publisher(closed) as publisher, pytest.raises(Permanent) as refused:
        publisher.publish_object("elsewhere", "key", tenant=tenant, image_id="1")

    assert (missing.value.reason, refused.value.reason) == (Reason.SOURCE_MISSING, Reason.SOURCE_NOT_ALLOWED)
    assert not said(world, tenant)


def test_what_is_too_large_is_refused_before_it_is_read(world: World, tenant: str, tmp_path: Path) -> None:
    """The worker would answer too_large after an upload for nothing."""
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(world.parts.max_upload_bytes + 1)

    with Publisher(world.parts) as publisher, pytest.raises(Permanent, match=r"limits\.bytes") as refused:
        publisher.publish_file(path, tenant=tenant, image_id="1")

    assert refused.value.reason == Reason.TOO_LARGE


def test_ids_are_new_for_each_publish_and_kept_when_given(publisher: Publisher, world: World, tenant: str) -> None:
    """Each publish is an event of its own and newer than the one before; a repeated one is the same event."""
    first = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")
    second = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")
    again = publisher.publish(Upload(JPEG, tenant, "1", event_id=first.event_id, hlc=first.hlc))
    publisher.flush()

    assert first.event_id != second.event_id
    assert first.hlc < second.hlc
    events = [event for _, event in said(world, tenant)]
    assert [event.event_id for event in events] == [first.event_id, second.event_id, first.event_id]
    assert again.hlc == events[2].hlc == first.hlc


@pytest.mark.parametrize(("tenant", "image_id"), [("", "1"), ("acme", ""), ("acme", "x" * 300), ("acme", "\ud800")])
def test_an_impossible_id_is_refused_at_once(publisher: Publisher, tenant: str, image_id: str) -> None:
    """Nothing is uploaded under an id that no worker would take."""
    with pytest.raises(Permanent) as refused:
        publisher.publish_bytes(JPEG, tenant=tenant, image_id=image_id)

    assert refused.value.reason == Reason.INVALID_EVENT


def test_a_given_trace_goes_on(publisher: Publisher, world: World, tenant: str) -> None:
    """The traceparent of the caller stands in the record."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    publisher.publish(Upload(JPEG, tenant, "1", traceparent=trace)).result(10)

    ((record, _),) = said(world, tenant)
    assert dict(record.headers)["traceparent"] == trace.encode()


def test_a_delete_is_an_event_after_the_upload(publisher: Publisher, world: World, tenant: str) -> None:
    """It lands on the same partition behind the upload and has a greater hlc."""
    upload = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")
    publisher.delete(tenant=tenant, image_id="1", reason="asked to").result(10)

    (uploaded, _), (deleted, event) = said(world, tenant)
    assert isinstance(event, ImageDeleted)
    assert event.reason == "asked to"
    assert event.hlc > upload.hlc
    assert (deleted.partition, deleted.key) == (uploaded.partition, uploaded.key)


def test_many_are_published_at_once_and_each_failure_is_told(world: World, tenant: str, tmp_path: Path) -> None:
    """All are tried; what failed is named in one error, what did not is on the topic, and each is reported once."""
    uploads = [Upload(JPEG + bytes([n]), tenant, str(n)) for n in range(50)]
    uploads.insert(20, Upload(tmp_path / "missing.jpg", tenant, "missing"))
    uploads.append(Upload(ObjectRef(world.parts.upload_bucket, "no/such"), tenant, "nothing"))
    ended: list[Publication] = []

    with Publisher(world.parts) as publisher, pytest.raises(UndeliveredError) as caught:
        publisher.publish_many(uploads, when_done=ended.append)

    assert [each.image_id for each in caught.value.publications] == ["missing", "nothing"]
    assert isinstance(caught.value.publications[0].exception(), FileNotFoundError)
    assert len(ended) == 52
    assert {event.image_id for _, event in said(world, tenant)} == {str(n) for n in range(50)}


def test_submitted_uploads_are_newer_in_the_order_of_submission(publisher: Publisher, tenant: str) -> None:
    """However the uploads overtake each other, hlc says which was submitted last."""
    publications = [publisher.submit(Upload(JPEG * (20 - n), tenant, "1")) for n in range(20)]
    publisher.flush()

    assert [each.hlc for each in publications] == sorted(each.hlc for each in publications)


def test_an_unreachable_broker_is_named(world: World, tenant: str) -> None:
    """The failure names address, setting and cause, within the time that delivery may take."""
    began = monotonic()
    with Publisher(unreachable(world.parts), delivery_s=1) as publisher:
        publication = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 \(kafka\.bootstrap_servers\).*refused"):
            publication.result()

    assert monotonic() - began < 5  # and closing raised nothing: the failure was seen


def test_closing_raises_what_nobody_has_seen(world: World, tenant: str) -> None:
    """A publisher never loses an event in silence."""
    publisher = Publisher(unreachable(world.parts), delivery_s=0.5)
    publication = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")

    with pytest.raises(UndeliveredError) as caught:
        publisher.close()

    assert caught.value.publications == (publication,)


def test_a_failure_does_not_hide_the_error_of_the_block(world: World, tenant: str) -> None:
    """The block's own error is raised, with the undelivered events as a note."""

    def publish_and_fail() -> None:
        with Publisher(unreachable(world.parts), delivery_s=0.5) as publisher:
            publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        publish_and_fail()

    assert "not published" in caught.value.__notes__[0]


def test_check_says_what_is_missing_before_anything_is_published(world: World) -> None:
    """An unreachable broker and a missing topic are told apart, the latter with the command that mends it."""
    nobody = replace(unreachable(world.parts), timeout_s=0.5)
    no_topics = replace(world.parts, topics=replace(world.parts.topics, prefix="nobody-made-these."))

    with Publisher(world.parts) as publisher:
        publisher.check()
    with Publisher(nobody) as publisher, pytest.raises(Unavailable, match=r"kafka\.bootstrap_servers"):
        publisher.check()
    with Publisher(no_topics) as publisher, pytest.raises(RefusedError, match="darkroom topics create"):
        publisher.check()


def test_an_event_that_kafka_does_not_take_is_raised(publisher: Publisher, world: World, tenant: str) -> None:
    """An oversized event fails its own publication with Kafka's reason; the next one is delivered."""
    large = Attributes(extra={"essay": "x" * 2_000_000})
    refused = publisher.publish_bytes(JPEG, tenant=tenant, image_id="1", attributes=large)
    taken = publisher.publish_bytes(JPEG, tenant=tenant, image_id="2")

    with pytest.raises(RefusedError) as caught:
        refused.result(10)
    taken.result(10)

    assert caught.value.code == "MSG_SIZE_TOO_LARGE"
    assert [event.image_id for _, event in said(world, tenant)] == ["2"]


def test_a_closed_publisher_says_so(world: World, tenant: str) -> None:
    """Closing twice is fine, publishing afterwards is not."""
    publisher = Publisher(world.parts)
    publisher.close()
    publisher.close()

    with pytest.raises(ClosedError):
        publisher.publish_bytes(JPEG, tenant=tenant, image_id="1")
    with pytest.raises(ClosedError):
        publisher.submit(Upload(JPEG, tenant, "1"))


def test_a_publisher_that_nobody_closed_delivers_at_the_end(world: World, tenant: str) -> None:
    """A script that forgets to close loses nothing, and hears on its way out of what could not be delivered."""
    script = """
import sys
from dataclasses import asdict, replace
from streams.client.publisher import Publisher
from tests.client.world import World
from tests.support import Stack
import json
world = World.at(Stack(**json.loads(sys.argv[1])), sys.argv[2])
nobody = {"bootstrap.servers": "127.0.0.1:1"}
Publisher(world.parts).publish_bytes(b"x", tenant=sys.argv[3], image_id="1")
lost = Publisher(replace(world.parts, kafka=nobody), delivery_s=0.5)
lost.publish_bytes(b"x", tenant=sys.argv[3], image_id="2")
"""
    arguments = [json.dumps(asdict(world.stack)), world.parts.upload_bucket, tenant]
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)

    assert [event.image_id for _, event in said(world, tenant)] == ["1"]
    assert "not_published" in run.stdout


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_make_its_own(world: World, tenant: str) -> None:
    """In the child every call raises and nothing hangs, not even freeing it; the parent goes on."""
    publisher: Publisher | None = Publisher(world.parts)
    assert publisher is not None
    publisher.publish_bytes(JPEG, tenant=tenant, image_id="1").result(10)
    child = os.fork()
    if child == 0:
        verdict = 1
        try:
            publisher.publish_bytes(JPEG, tenant=tenant, image_id="2")
        except ForkedError:
            publisher.close()
            publisher = None
            verdict = 0
        finally:
            os._exit(verdict)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    publisher.publish_bytes(JPEG, tenant=tenant, image_id="3").result(10)
    publisher.close()
    assert sorted(event.image_id for _, event in said(world, tenant)) == ["1", "3"]


def test_threads_share_a_publisher(world: World, tenant: str) -> None:
    """Eight threads publish through one publisher; every event is there exactly once, with an hlc of its own."""
    with Publisher(world.parts) as publisher, ThreadPoolExecutor(8) as threads:
        publications = list(
            threads.map(lambda n: publisher.publish_bytes(JPEG, tenant=tenant, image_id=str(n)), range(160))
        )

    events = [event for _, event in said(world, tenant)]
    assert sorted(event.event_id for event in events) == sorted(each.event_id for each in publications)
    assert len({event.hlc for event in events}) == 160


def test_a_delivery_without_a_place_says_so() -> None:
    """A broker that restarted confirms a batch it has already, without an offset: that is not offset 0."""
    assert landed(Message("images.uploaded", 3)).offset is None
    assert landed(Message("images.uploaded", 3, offset=0)).offset == 0


def test_asyncio_uses_it_by_to_thread(world: World, tenant: str) -> None:
    """Publishing and waiting for Kafka block a thread, never the loop."""

    async def publish(publisher: Publisher, number: int) -> int | None:
        publication = await asyncio.to_thread(publisher.publish_bytes, JPEG, tenant=tenant, image_id=str(number))
        return (await asyncio.to_thread(publication.result, 10)).offset

    async def publish_all() -> list[int | None]:
        with Publisher(world.parts) as publisher:
            return await asyncio.gather(*(publish(publisher, number) for number in range(10)))

    assert len(asyncio.run(publish_all())) == 10
    assert len(said(world, tenant)) == 10


def test_an_event_id_can_be_chosen(publisher: Publisher, world: World, tenant: str) -> None:
    """A caller with an outbox of its own publishes under the id it keeps there, however often it starts again."""
    event_id = uuid4()

    publisher.publish(Upload(JPEG, tenant, "1", event_id=event_id)).result(10)

    ((_, event),) = said(world, tenant)
    assert event.event_id == event_id
