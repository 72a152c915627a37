"""One run of `publish`: sends uploads on, keeps count, and with ``--wait`` collects every answer.

The verb itself (options, what is allowed) is ``publish``; what to publish is ``publish_find``'s.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import DarkroomError, Unavailable
from schemas.events import ImageReady
from streams.cli.failures import CommandError, Exit
from streams.cli.publish_find import Bucket, Naming, objects
from streams.cli.publish_progress import Bookmark, bar
from streams.cli.shared import emit, err, out
from streams.client.publisher import Publisher
from streams.client.uploads import ObjectRef, Upload
from streams.client.waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from schemas.events import Output
    from streams.client.parts import Parts
    from streams.client.publication import Publication

BATCH: Final = 500
"""Objects between two notes in the bookmark."""
SLICE_S: Final = 0.5


@dataclass(slots=True)
class Run:
    """One run of the verb: counts, what is awaited, and what went wrong."""

    parts: Parts
    wait: bool
    timeout: float
    as_json: bool
    published: int = 0
    ready: int = 0
    failures: list[str] = field(default_factory=list)
    outage: Unavailable | None = None
    awaited: dict[UUID, str] = field(default_factory=dict)
    early: dict[UUID, Output] = field(default_factory=dict)
    """Answers that came before their publication was noted as delivered."""

    def files(self, uploads: list[Upload]) -> None:
        """Publish files."""
        self._go(uploads, len(uploads))

    def bucket(self, bucket: Bucket, naming: Naming, template: Upload, *, fresh: bool) -> None:
        """Publish what is in a bucket, noting how far it came."""
        bookmark = Bookmark.of(bucket, naming, template.recipe)
        if fresh:
            bookmark.remove()
            bookmark = Bookmark.of(bucket, naming, template.recipe)
        if bookmark.key and sys.stderr.isatty():
            err().print(f"going on after {bookmark.key} ({bookmark.count} published before; --fresh begins again)")
        lane = Upload(b"", "", "", template.recipe, "bulk")
        found = objects(self.parts.store(), bucket, naming, lane, after=bookmark.key)
        self._go((upload for _, upload in found), None, bookmark)
        if self.outage is None:
            bookmark.remove()

    def report(self) -> int:
        """Say how it went and return the exit code."""
        for failure in self.failures:
            sys.stderr.write(f"{failure}\n")
        if not self.as_json and sys.stdout.isatty():
            answered = f", {self.ready} ready" if self.wait else ""
            failed = f", {len(self.failures)} failed" if self.failures else ""
            out().print(f"{self.published} published{answered}{failed}")
        return Exit.FAILED if self.failures else Exit.OK

    def _go(self, uploads: Iterable[Upload], total: int | None, bookmark: Bookmark | None = None) -> None:
        shown = sys.stderr.isatty() and not self.as_json
        with Publisher(self.parts) as publisher:
            publisher.check()
            waiter = Waiter(self.parts) if self.wait else None
            try:
                with bar("publishing", total, shown=shown) as update:
                    self._publish(publisher, uploads, waiter, update, bookmark)
                if self.outage is not None:
                    raise self.outage
                if waiter is not None:
                    with bar("waiting", self.published, shown=shown) as update:
                        self._await(waiter, update)
            finally:
                if waiter is not None:
                    waiter.close()

    def _publish(
        self,
        publisher: Publisher,
        uploads: Iterable[Upload],
        waiter: Waiter | None,
        update: Callable[[int, str], None],
        bookmark: Bookmark | None,
    ) -> None:
        for batch in _batches(uploads):
            sent: list[Publication] = []
            for upload in batch:
                try:
                    sent.append(publisher.submit(upload))
                except DarkroomError as error:
                    self._fail(f"{upload.tenant}/{upload.image_id}", error)
                update(self.published, "")
                self._take(waiter, 0)
                if any(_is_outage(each) for each in sent[-16:]):
                    break
            for publication in sent:
                self._settle(publication)
                update(self.published, "")
            if self.outage is not None:
                return
            last = batch[-1].content
            if bookmark is not None and isinstance(last, ObjectRef):
                bookmark.move(last.key, len(sent))

    def _settle(self, publication: Publication) -> None:
        name = f"{publication.tenant}/{publication.image_id}"
        error = publication.exception()
        if isinstance(error, Unavailable):
            self.outage = error
        elif error is not None:
            self._fail(name, error)
        else:
            self.published += 1
            self.awaited[publication.event_id] = name
            if self.as_json and not self.wait:
                emit({"image": name, "state": "published", "event_id": publication.event_id})

    def _fail(self, name: str, error: BaseException) -> None:
        self.failures.append(f"{name}: {error}")
        if self.as_json:
            emit({"image": name, "state": "not_published", "detail": str(error)})

    def _take(self, waiter: Waiter | None, timeout: float) -> int:
        """Keep the answers that came."""
        if waiter is None:
            return 0
        answers = waiter.answers(timeout)
        own = [event for event in answers if event.cause.replay_id is None]  # a replay repeats the upload's event id
        self.early |= {event.cause.event_id: event for event in own if event.cause.event_id is not None}
        return len(answers)

    def _await(self, waiter: Waiter, update: Callable[[int, str], None]) -> None:
        quiet = 0.0
        while self.awaited:
            for event_id in [each for each in self.awaited if each in self.early]:
                self._answered(self.awaited.pop(event_id), self.early.pop(event_id))
            self.early.clear()
            update(self.ready, f"{len(self.failures)} failed" if self.failures else "")
            quiet = 0.0 if not self.awaited or self._take(waiter, SLICE_S) else quiet + SLICE_S
            if quiet >= self.timeout:
                missing = f"no answer for {len(self.awaited)} images in {self.timeout:g} s, such as"
                raise CommandError(Exit.FAILED, f"{missing} {next(iter(self.awaited.values()))}: is a worker running?")

    def _answered(self, name: str, event: Output) -> None:
        if isinstance(event, ImageReady):
            self.ready += 1
            if self.as_json:
                emit({"image": name, "state": "ready", "event_id": event.event_id, "variants": _variants(event)})
            return
        reason, detail = getattr(event, "reason", ""), getattr(event, "detail", "")
        self.failures.append(f"{name}: {reason}: {detail}")
        if self.as_json:
            emit({"image": name, "state": "failed", "reason": reason, "detail": detail})


def _variants(event: ImageReady) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "bucket": each.bucket, "key": each.key, "width": each.width, "height": each.height}
        for each in event.variants
    ]


def _is_outage(publication: Publication) -> bool:
    return publication.done() and isinstance(publication.exception(), Unavailable)


def _batches(uploads: Iterable[Upload]) -> Iterator[list[Upload]]:
    batch: list[Upload] = []
    for upload in uploads:
        batch.append(upload)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
