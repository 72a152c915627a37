"""The store on MinIO or any other S3 as clients use it: what the service says of an upload, listings with sizes, URLs.

Connections, credentials and errors are `minio_store`'s.
"""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from streams.adapters.minio_errors import FAULTS, is_missing, translated
from streams.adapters.minio_store import MinioStore
from streams.client.ports import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minio.datatypes import Object

_LEAST_PART: Final = 5 * 1024 * 1024


class MinioObjects(MinioStore):
    """`streams.client.ports.ObjectStore` over S3."""

    def upload(self, bucket: str, key: str, data: bytes, *, content_type: str) -> Stored:
        """Write the object in one request; see `ObjectStore.upload`."""
        try:
            written = self._client.put_object(
                bucket,
                key,
                BytesIO(data),
                len(data),
                content_type=content_type,
                part_size=max(len(data), _LEAST_PART),  # one part: an upload in several costs three requests more
            )
        except FAULTS as error:
            raise translated(error, self._where) from error
        return Stored(key, len(data), written.etag, written.version_id, content_type)

    def stat(self, bucket: str, key: str, *, version_id: str | None = None) -> Stored | None:
        """Return what the service knows of the object; see `ObjectStore.stat`."""
        try:
            return _stored(self._client.stat_object(bucket, key, version_id=version_id))
        except FAULTS as error:
            if is_missing(error, version_id=version_id):
                return None
            raise translated(error, self._where) from error

    def entries(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[Stored]:
        """Yield objects in order, a thousand a request; see `ObjectStore.entries`."""
        try:
            for each in self._client.list_objects(bucket, prefix, recursive=True, start_after=start_after or None):
                yield _stored(each)
        except FAULTS as error:
            raise translated(error, self._where) from error

    def url(self, bucket: str, key: str, *, expires_s: int | None) -> str:
        """Return the object's URL; nothing is asked of the service. See `ObjectStore.url`."""
        try:
            signed = self._client.presigned_get_object(bucket, key, expires=timedelta(seconds=expires_s or 60))
        except FAULTS as error:
            raise translated(error, self._where) from error
        return signed if expires_s is not None else urlunsplit((*urlsplit(signed)[:3], "", ""))


def _stored(found: Object) -> Stored:
    return Stored(
        key=str(found.object_name),
        size=found.size or 0,
        etag=(found.etag or "").strip('"') or None,
        version_id=found.version_id,
        content_type=found.content_type,
    )
