"""Publishes images: puts the original under a key made of its own hash, then says so in one upload event.

The object comes first, so an event never points at nothing; an upload whose event is never sent is garbage in the
upload bucket and nothing else. It renders nothing and waits for no worker (`waiter` does). Thread-safe.
"""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import structlog

from schemas.events import Attributes, ImageDeleted, ImageUploaded
from schemas.headers import TraceParent, event_headers, parse_traceparent
from schemas.hlc import next_hlc
from schemas.ids import record_key
from schemas.record import Outgoing
from streams.client.errors import ClosedError, UndeliveredError
from streams.client.originals import Originals
from streams.client.parts import micros
from streams.client.process import HomeProcess
from streams.client.publication import Publication
from streams.client.sender import Sender
from streams.client.tally import Tally
from streams.client.uploads import ObjectRef, Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from types import TracebackType
    from uuid import UUID

    from schemas.events import Input
    from streams.client.parts import Parts
    from streams.client.sender import Delivery
    from streams.client.uploads import Lane

DELIVERY_S: Final = 30.0
SOURCE_NAME: Final = "darkroom/publisher"
"""``ce_source`` of what a publisher says."""
_NOTHING_KNOWN: Final = Attributes()


class Publisher:
    """Publishes and deletes images. One serves a whole process: keep it, and close it (or use ``with``)."""

    def __init__(self, parts: Parts, *, parallel: int = 8, delivery_s: float = DELIVERY_S) -> None:
        """Take the parts; nothing is connected yet.

        ``parallel``: uploads at once by `submit` and `publish_many`, each holding one original in memory.
        ``delivery_s``: how many seconds Kafka may take to accept an event before it counts as not delivered.
        """
        self._parts = parts
        self._home = HomeProcess("publisher")
        self._originals = Originals(parts)
        self._tally = Tally()
        self._uploaders = ThreadPoolExecutor(parallel, thread_name_prefix="darkroom-upload")
        # As many again may wait: it keeps the threads busy, and beyond it `submit` blocks rather than fill the memory.
        self._room = threading.BoundedSemaphore(2 * parallel)
        self._hlc_lock = threading.Lock()
        self._hlc = 0
        self._closed = False
        self._sender = Sender(
            parts.kafka,
            client_id="darkroom-publisher",
            delivery_s=delivery_s,
            largest=parts.topics.uploaded.max_message_bytes,
        )
        self._forgotten = weakref.finalize(self, _left_open, self._sender, self._tally)

    def publish_file(  # noqa: PLR0913 - one keyword for each thing that a caller commonly says of an image
        self,
        path: str | Path,
        *,
        tenant: str,
        image_id: str,
        recipe: str | None = None,
        lane: Lane = "uploaded",
        attributes: Attributes = _NOTHING_KNOWN,
    ) -> Publication:
        """Upload a file and publish it; see `publish` for what comes back and what is raised."""
        return self.publish(Upload(Path(path), tenant, image_id, recipe, lane, attributes))

    def publish_bytes(  # noqa: PLR0913 - as above
        self,
        data: bytes,
        *,
        tenant: str,
        image_id: str,
        recipe: str | None = None,
        lane: Lane = "uploaded",
        attributes: Attributes = _NOTHING_KNOWN,
    ) -> Publication:
        """Upload bytes and publish them; see `publish`."""
        return self.publish(Upload(data, tenant, image_id, recipe, lane, attributes))

    def publish_object(  # noqa: PLR0913 - as above
        self,
        bucket: str,
        key: str,
        *,
        tenant: str,
        image_id: str,
        recipe: str | None = None,
        lane: Lane = "uploaded",
        attributes: Attributes = _NOTHING_KNOWN,
    ) -> Publication:
        """Publish an object that is in a bucket already; nothing is copied. See `publish`.

        Raise `Permanent` with ``source_missing`` or ``source_not_allowed`` where no worker could read it.
        """
        return self.publish(Upload(ObjectRef(bucket, key), tenant, image_id, recipe, lane, attributes))

    def publish(self, upload: Upload) -> Publication:
        """Upload in this thread, hand the event to Kafka, and return without waiting for Kafka's answer.

        What goes wrong before the event is on its way is raised here: `Permanent` (an impossible id, an object that is
        missing or not allowed, too large), `Unavailable` (store or registry), OSError (the file). Whether it was
        delivered says the publication's ``result()``; a failure that nobody asked for is raised by `flush` and `close`.
        """
        publication = self._announce(upload.tenant, upload.image_id, upload.event_id, upload.hlc)
        with self._tally.telling(publication):
            self._send_upload(publication, upload)
        return publication

    def delete(
        self, *, tenant: str, image_id: str, reason: str = "", event_id: UUID | None = None, hlc: int | None = None
    ) -> Publication:
        """Ask for the removal of an image with every variant of what was uploaded before this moment.

        It goes the interactive lane. Give ``event_id`` and ``hlc`` of an earlier call to repeat THAT one.
        """
        publication = self._announce(tenant, image_id, event_id, hlc)
        now = self._parts.clock()
        with self._tally.telling(publication):
            self._send(publication, ImageDeleted(publication.event_id, tenant, image_id, now, publication.hlc, reason))
        return publication

    def submit(self, upload: Upload) -> Publication:
        """Upload and publish from a thread of the publisher's own; blocks while too many wait already.

        Only `ClosedError`, `ForkedError` and `Permanent` (an impossible id) are raised here, all else is in the
        publication. Of two submitted uploads of one image the later submitted is the newer, whichever arrives first.
        """
        publication = self._announce(upload.tenant, upload.image_id, upload.event_id, upload.hlc)
        with self._tally.telling(publication):
            self._room.acquire()
            try:
                self._uploaders.submit(self._upload_later, publication, upload)
            except RuntimeError as error:
                self._room.release()
                raise ClosedError("this publisher is closed") from error
        return publication

    def publish_many(
        self, uploads: Iterable[Upload], *, when_done: Callable[[Publication], None] | None = None
    ) -> list[Publication]:
        """Publish all, many at once, and wait until each is delivered or given up.

        ``when_done`` is called for each as it ends, from other threads (for a progress bar). Raise `UndeliveredError`
        with all that failed, after all were tried.
        """
        publications = []
        for upload in uploads:
            publication = self.submit(upload)
            if when_done is not None:
                publication.when_done(when_done)
            publications.append(publication)
        self.flush()
        return publications

    def flush(self) -> None:
        """Wait until everything is delivered or given up; raise `UndeliveredError` for failures nobody has seen."""
        self._demand_open()
        self._tally.wait()
        self._tally.raise_unseen()

    def check(self) -> None:
        """Raise `Unavailable` unless Kafka answers within the configured time, `RefusedError` if a topic is missing."""
        self._demand_open()
        for topic in (self._parts.topics.uploaded, self._parts.topics.bulk):
            self._sender.check(topic.name, self._parts.timeout_s)

    def close(self) -> None:
        """Deliver what is on its way, then stop. Raise `UndeliveredError` for failures nobody has seen.

        In a forked child this does nothing: what is on its way is the parent's.
        """
        if not self._home.is_here() or self._closed:
            return
        self._closed = True
        self._forgotten.detach()
        self._uploaders.shutdown()
        self._tally.wait()
        self._sender.close()
        self._tally.raise_unseen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except UndeliveredError as undelivered:
            if error is None:
                raise
            error.add_note(str(undelivered))  # the first error is the one to raise; this one is not lost in it
            structlog.get_logger().error("not_published", publications=len(undelivered.publications))

    def _demand_open(self) -> None:
        self._home.demand()
        if self._closed:
            raise ClosedError("this publisher is closed")

    def _announce(self, tenant: str, image_id: str, event_id: UUID | None, hlc: int | None) -> Publication:
        """Give the publish its identity before anything can fail; an impossible id fails here."""
        self._demand_open()
        record_key(tenant, image_id)
        with self._hlc_lock:
            self._hlc = next_hlc(self._hlc, micros(self._parts.clock()))
            return Publication(tenant, image_id, event_id or self._parts.new_id(), hlc or self._hlc)

    def _upload_later(self, publication: Publication, upload: Upload) -> None:
        try:
            self._send_upload(publication, upload)
        except Exception as error:  # noqa: BLE001 - it is raised where the publication is asked for
            self._tally.end(publication, error)
        finally:
            self._room.release()

    def _send_upload(self, publication: Publication, upload: Upload) -> None:
        event = ImageUploaded(
            event_id=publication.event_id,
            tenant=upload.tenant,
            image_id=upload.image_id,
            source=self._originals.place(upload),
            recipe=upload.recipe or self._parts.recipe,
            uploaded_at=self._parts.clock(),
            hlc=publication.hlc,
            region=self._parts.region,
            attributes=upload.attributes,
        )
        self._send(publication, event, upload.lane, upload.traceparent)

    def _send(
        self, publication: Publication, event: Input, lane: Lane = "uploaded", traceparent: str | None = None
    ) -> None:
        topic = self._parts.topics.bulk if lane == "bulk" else self._parts.topics.uploaded
        trace = parse_traceparent(traceparent) or self._new_trace()
        headers = event_headers(event, source=SOURCE_NAME, time=self._parts.clock(), traceparent=trace)
        value = self._parts.codec.encode(topic.name, event)
        publication.event = event
        sent = self._sender.send(Outgoing(topic.name, record_key(event.tenant, event.image_id), value, headers))
        sent.add_done_callback(lambda done: self._delivered(publication, done))

    def _delivered(self, publication: Publication, sent: Future[Delivery]) -> None:
        self._tally.end(publication, sent.exception() or sent.result())

    def _new_trace(self) -> TraceParent:
        return TraceParent(self._parts.new_id().hex, self._parts.new_id().hex[:16], sampled=True)


def _left_open(sender: Sender, tally: Tally) -> None:
    """Deliver what a publisher had on its way that nobody closed, at the latest when the interpreter ends."""
    sender.close()
    try:
        tally.raise_unseen()
    except UndeliveredError as undelivered:
        structlog.get_logger().error("not_published", error=str(undelivered), hint="close publishers, or use with")
