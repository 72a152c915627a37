"""What a client needs from the object store, as one small Protocol; adapters implement it.

Narrower than the worker's `processors.ports.Store` in what it may do (it never deletes), wider in what it hears: a
publisher puts etag and version id of what it stored into the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processors.ports import Blob


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of one object, without its bytes."""

    key: str
    size: int
    """Bytes."""
    etag: str | None = None
    """Opaque, without quotes."""
    version_id: str | None = None
    content_type: str | None = None


class ObjectStore(Protocol):
    """Objects by bucket and key. Every method may raise `Unavailable` ("store"), `Transient` and `Permanent`."""

    def upload(self, bucket: str, key: str, data: bytes, *, content_type: str) -> Stored:
        """Write the object whole or not at all, and return what the store says it wrote."""
        ...

    def stat(self, bucket: str, key: str, *, version_id: str | None = None) -> Stored | None:
        """Return what the store knows of the object, None if it (or its bucket) is missing."""
        ...

    def entries(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[Stored]:
        """Yield the objects whose keys start with ``prefix``, in UTF-8 binary order, after ``start_after``."""
        ...

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None if it is missing; `Permanent(TOO_LARGE)` over ``limit`` bytes."""
        ...

    def url(self, bucket: str, key: str, *, expires_s: int | None) -> str:
        """Return where a browser finds the object: signed for so many seconds, or the plain address for None."""
        ...
