"""One upload's source and what is made of it: fetched, checked, inspected and rendered at most once, and timed.

It owns the bytes while they are needed and drops them after. It writes nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from schemas.errors import Permanent, Reason
from schemas.events import Timings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processors.facts import Facts
    from processors.ports import Blob, Clock, Rendered, Renderer, Store
    from processors.recipe import Recipe
    from schemas.events import ImageUploaded, Source


class Making:
    """The work on one event. Not for more than one thread."""

    __slots__ = ("_clock", "_data", "_event", "_limit", "_ms", "_recipe", "_renderer", "_result", "_sha256", "_store")

    def __init__(  # noqa: PLR0913 - the event, and everything that it meets
        self, event: ImageUploaded, recipe: Recipe, *, store: Store, renderer: Renderer, clock: Clock, limit: int
    ) -> None:
        self._event = event
        self._recipe = recipe
        self._store = store
        self._renderer = renderer
        self._clock = clock
        self._limit = limit
        self._data: bytes | None = None
        self._sha256 = event.source.sha256
        self._result: tuple[Facts, Rendered] | None = None
        self._ms: dict[str, float] = {}

    @property
    def sha256(self) -> str:
        """The source's hash: the event's word if it has one, else fetched and hashed."""
        if self._sha256 is None:
            self._fetched()
        return str(self._sha256)

    @property
    def timings(self) -> Timings:
        """What was measured so far."""
        return Timings(**self._ms)

    def rendered(self) -> tuple[Facts, Rendered]:
        """Return facts and variants. Raise `Permanent` with the reason that fits the source."""
        if self._result is None:
            data = self._fetched()
            with self.timed("inspect_ms"):
                facts = self._renderer.inspect(data)
            with self.timed("render_ms"):
                rendered = self._renderer.render(data, facts, self._recipe, self._event.attributes)
            self._result = facts, rendered
            self._data = None
        return self._result

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the timing of this name."""
        start = self._clock.monotonic()
        yield
        self._ms[name] = self._ms.get(name, 0.0) + (self._clock.monotonic() - start) * 1000

    def _fetched(self) -> bytes:
        if self._data is None:
            source = self._event.source
            with self.timed("fetch_ms"):
                blob = self._fetch(source)
            found = sha256(blob.data).hexdigest()
            _check_unchanged(source, blob, found)
            self._data, self._sha256 = blob.data, found
        return self._data

    def _fetch(self, source: Source) -> Blob:
        if source.size > self._limit:
            message = f"the source is announced with {source.size} bytes, allowed are {self._limit}"
            raise Permanent(Reason.TOO_LARGE, message)
        blob = self._store.fetch(source.bucket, source.key, limit=self._limit, version_id=source.version_id)
        if blob is None:
            version = f" at version {source.version_id}" if source.version_id else ""
            message = f"there is no {source.bucket}/{source.key}{version}"
            raise Permanent(Reason.SOURCE_MISSING, message)
        return blob


def _check_unchanged(source: Source, blob: Blob, found: str) -> None:
    """Refuse bytes that are not those the event announced."""
    pairs = (
        ("size", source.size, len(blob.data)),
        ("etag", source.etag and source.etag.strip('"'), blob.etag),
        ("sha256", source.sha256, found),
    )
    for what, announced, actual in pairs:
        if announced not in {None, "", actual}:
            message = f"{source.bucket}/{source.key} has {what} {actual}, announced was {announced}"
            raise Permanent(Reason.SOURCE_CHANGED, message)
