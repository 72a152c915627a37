"""A strict object store in memory: one request is one step, If-Match is honoured, listings see finished writes.

`SimulatedObjects` is what the servers hold; a `SimulatedStore` is one client's view of it, and hands every request to
its ``send``, which decides when the request reaches the servers, whether it does, and what the client learns. The
contract tests hold it to MinIO.
"""

from __future__ import annotations

from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from processors.ports import Blob
from schemas.errors import Permanent, Reason
from streams.adapters.directory_paths import is_bucket, is_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
PAGE = 1000
"""Keys of one listing or removal request: S3's own bound."""


class SimulatedObjects:
    """Buckets of objects. Every method is one request, and takes effect whole."""

    def __init__(self) -> None:
        self._buckets: dict[str, dict[str, bytes]] = {}
        self.removed: Callable[[str, str, bytes], None] = _nobody
        """Told bucket, key and bytes of whatever a removal takes away."""

    def make(self, bucket: str) -> bool:
        """Make a bucket; False if it is there already."""
        if not is_bucket(bucket):
            raise Permanent(Reason.OUTPUT_REFUSED, f"{bucket[:100]!r} is no name for a bucket")
        fresh = bucket not in self._buckets
        self._buckets.setdefault(bucket, {})
        return fresh

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return an object."""
        return self._buckets.get(bucket, {}).get(key)

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object; the last one wins."""
        if not is_bucket(bucket) or not is_key(key):
            raise Permanent(Reason.OUTPUT_REFUSED, f"the store cannot hold {bucket[:100]!r}/{key[:300]!r}")
        self._buckets.setdefault(bucket, {})[key] = data

    def replace(self, bucket: str, key: str, data: bytes, expected: str | None) -> bool:
        """Write an object if its present state has this etag (None: if it is not there)."""
        present = self.get(bucket, key)
        if (None if present is None else etag(present)) != expected:
            return False
        self.put(bucket, key, data)
        return True

    def page(self, bucket: str, prefix: str, after: str, count: int) -> list[str]:
        """Return at most ``count`` keys with the prefix, in binary order, behind ``after``."""
        keys = sorted(key.encode() for key in self._buckets.get(bucket, {}) if key.startswith(prefix))
        return [key.decode() for key in keys if key > after.encode()][:count]

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Take objects away; missing ones are no error."""
        for key in keys:
            data = self._buckets.get(bucket, {}).pop(key, None)
            if data is not None:
                self.removed(bucket, key, data)


class Send(Protocol):
    """Carries a request to the servers and returns what the client learns, or raises as a store may."""

    def __call__(self, name: str, request: Callable[[], T], /) -> T:
        """Carry one request."""
        ...


class SimulatedStore:
    """`processors.ports.Store` on simulated servers."""

    def __init__(self, objects: SimulatedObjects, send: Send | None = None, *, page: int = PAGE) -> None:
        self._objects = objects
        self._send = send or _Straight()
        self._page = page

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None; see `processors.ports.Store.fetch`. It keeps no versions but the last."""
        if version_id is not None:
            return None
        data = self._send("fetch", lambda: self._objects.get(bucket, key))
        if data is None:
            return None
        if len(data) > limit:
            raise Permanent(Reason.TOO_LARGE, f"the object has {len(data)} bytes, allowed are {limit}")
        return Blob(data, etag(data))

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str, cache_control: str = "") -> None:  # noqa: ARG002 - it keeps neither
        """Write the object; see `processors.ports.Store.put`."""
        self._send("put", lambda: self._objects.put(bucket, key, data))

    def replace(self, bucket: str, key: str, data: bytes, *, expected: str | None, content_type: str) -> bool:  # noqa: ARG002 - it keeps none
        """Write if the state is as expected; see `processors.ports.Store.replace`."""
        return self._send("replace", lambda: self._objects.replace(bucket, key, data, expected))

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """Yield keys in order, a request for each page; see `processors.ports.Store.list`."""
        after = start_after
        while True:
            keys = self._send("list", lambda after=after: self._objects.page(bucket, prefix, after, self._page))  # type: ignore[misc]
            yield from keys
            if len(keys) < self._page:
                return
            after = keys[-1]

    def remove(self, bucket: str, keys: Iterable[str]) -> int:
        """Delete objects, some a request; see `processors.ports.Store.remove`."""
        doomed = [*keys]
        for first in range(0, len(doomed), self._page):
            part = doomed[first : first + self._page]
            self._send("remove", lambda part=part: self._objects.remove(bucket, part))  # type: ignore[misc]
        return len(doomed)

    def check(self) -> None:
        """Raise `Unavailable` unless the servers answer."""
        self._send("check", _nothing)

    def make_bucket(self, bucket: str) -> bool:
        """Make a bucket; False if it is there already."""
        return self._send("make_bucket", lambda: self._objects.make(bucket))


class _Straight:
    """Carries every request at once, one at a time."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __call__(self, name: str, request: Callable[[], T], /) -> T:  # noqa: ARG002
        with self._lock:
            return request()


def etag(data: bytes) -> str:
    """Return what names this state of an object."""
    return blake2b(data, digest_size=16).hexdigest()


def _nothing() -> None:
    """Only ask."""


def _nobody(bucket: str, key: str, data: bytes) -> Any:  # noqa: ANN401
    """Nobody is told."""
