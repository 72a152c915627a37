"""The store as a folder as clients use it. It has no versions, and its URLs are ``file:`` ones that nobody signs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from streams.adapters.directory_store import DirectoryStore
from streams.client.ports import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator


class DirectoryObjects(DirectoryStore):
    """`streams.client.ports.ObjectStore` below a folder."""

    def upload(self, bucket: str, key: str, data: bytes, *, content_type: str) -> Stored:
        """Write the object; see `ObjectStore.upload`."""
        self.put(bucket, key, data, content_type=content_type)
        return self.stat(bucket, key) or Stored(key, len(data))

    def stat(self, bucket: str, key: str, *, version_id: str | None = None) -> Stored | None:
        """Return what is known of the object; see `ObjectStore.stat`. The etag is the bytes', so they are read."""
        found = self.fetch(bucket, key, limit=sys.maxsize, version_id=version_id)
        return None if found is None else Stored(key, len(found.data), found.etag)

    def entries(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[Stored]:
        """Yield objects in order; see `ObjectStore.entries`. What is deleted meanwhile is left out."""
        for key in self.list(bucket, prefix, start_after=start_after):
            found = self.stat(bucket, key)
            if found is not None:
                yield found

    def url(self, bucket: str, key: str, *, expires_s: int | None) -> str:  # noqa: ARG002 - files need no signature
        """Return the file's URL; see `ObjectStore.url`."""
        return self.path(bucket, key).absolute().as_uri()
