"""Puts originals where workers find them, and describes them as an event's source. It publishes nothing.

The key contains the hash of the bytes, so the same upload twice is one object, and no upload can replace another.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from schemas.errors import Permanent, Reason
from schemas.events import Source
from schemas.ids import source_key
from streams.client.uploads import ObjectRef, kind_of

if TYPE_CHECKING:
    from streams.client.parts import Parts
    from streams.client.ports import ObjectStore
    from streams.client.uploads import Upload


class Originals:
    """The upload bucket and the other places that uploads may be in. Thread-safe."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def place(self, upload: Upload) -> Source:
        """Upload what is not in a bucket yet and return where it is.

        Raise `Permanent` (too large, missing, not allowed), OSError for a file, `Unavailable` for the store.
        """
        match upload.content:
            case Path() as path:
                self._demand_small(path.stat().st_size, str(path))
                return self._put(upload, path.read_bytes())
            case bytes() as data:
                return self._put(upload, data)
            case ObjectRef() as ref:
                return self._find(upload, ref)
            case never:
                assert_never(never)

    @cached_property
    def _store(self) -> ObjectStore:
        return self._parts.store()

    def _put(self, upload: Upload, data: bytes) -> Source:
        self._demand_small(len(data), "the original")
        named = upload.content if isinstance(upload.content, Path) else data
        extension, content_type = kind_of(named, upload.content_type)
        digest = hashlib.sha256(data).hexdigest()
        bucket = self._parts.upload_bucket
        key = source_key(upload.tenant, upload.image_id, digest, extension)
        stored = self._store.upload(bucket, key, data, content_type=content_type)
        return Source(bucket, key, len(data), stored.version_id, stored.etag, digest, content_type)

    def _find(self, upload: Upload, ref: ObjectRef) -> Source:
        self._parts.check_source(upload.tenant, ref.bucket, ref.key)
        found = self._store.stat(ref.bucket, ref.key, version_id=ref.version_id)
        if found is None:
            raise Permanent(Reason.SOURCE_MISSING, f"there is no object {ref.bucket}/{ref.key}")
        return Source(
            ref.bucket,
            ref.key,
            found.size,
            version_id=ref.version_id or found.version_id,
            etag=found.etag,
            content_type=upload.content_type or found.content_type,
        )

    def _demand_small(self, size: int, what: str) -> None:
        limit = self._parts.max_upload_bytes
        if size > limit:
            raise Permanent(Reason.TOO_LARGE, f"{what} has {size} bytes, allowed are {limit} (limits.bytes)")
