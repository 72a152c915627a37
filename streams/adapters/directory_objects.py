"""The client's view of the directory store: the same few methods as `minio_objects`, over files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import Unavailable
from streams.adapters.directory_store import DirectoryStore
from streams.client.ports import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processors.ports import Blob


class DirectoryObjects:
    """Objects by bucket and key, as a client sees them. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self._store = DirectoryStore(root)

    def upload(self, bucket: str, key: str, data: bytes, *, content_type: str) -> Stored:
        """Write the object; see `streams.client.ports.ObjectStore.upload`."""
        self._store.put(bucket, key, data, content_type=content_type)
        stored = self.stat(bucket, key)
        return stored or Stored(key, len(data))

    def stat(self, bucket: str, key: str, *, version_id: str | None = None) -> Stored | None:
        """Return what the store knows; see `streams.client.ports.ObjectStore.stat`."""
        blob = self._store.fetch(bucket, key, limit=1 << 40, version_id=version_id)
        return None if blob is None else Stored(key, len(blob.data), blob.etag)

    def entries(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[Stored]:
        """Yield objects with their sizes; see `streams.client.ports.ObjectStore.entries`."""
        for key in self._store.list(bucket, prefix, start_after=start_after):
            try:
                size = self._store.path(bucket, key).stat().st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Unavailable("store", str(error)) from error
            yield Stored(key, size)

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None; see `processors.ports.Store.fetch`."""
        return self._store.fetch(bucket, key, limit=limit, version_id=version_id)

    def url(self, bucket: str, key: str, *, expires_s: int | None) -> str:  # noqa: ARG002  a file needs no signature
        """Return the file's address."""
        return self._store.path(bucket, key).absolute().as_uri()

    def check(self) -> None:
        """Raise `Unavailable` unless the folder can be used."""
        self._store.check()
