"""The client's view of the S3 store: uploads, lookings-up, listings with sizes, and addresses for browsers.

`streams.client.ports.ObjectStore` over the same connections and error translation as the worker's store.
"""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from streams.adapters.minio_client import ConfiguredCredentials, s3_client
from streams.adapters.minio_errors import FAULTS, is_missing, translated
from streams.adapters.minio_store import MinioStore
from streams.client.ports import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processors.ports import Blob
    from streams.adapters.minio_client import S3Config


class MinioObjects:
    """Objects by bucket and key, as a client sees them. Thread-safe."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        self._where = f"{config.endpoint} (store.endpoint)"
        self._client = s3_client(config, ConfiguredCredentials(config))
        self._store = MinioStore(config)

    def upload(self, bucket: str, key: str, data: bytes, *, content_type: str) -> Stored:
        """Write the object; see `streams.client.ports.ObjectStore.upload`."""
        try:
            done = self._client.put_object(bucket, key, BytesIO(data), len(data), content_type=content_type)
        except FAULTS as error:
            raise translated(error, self._where) from error
        return Stored(key, len(data), (done.etag or "").strip('"') or None, done.version_id, content_type)

    def stat(self, bucket: str, key: str, *, version_id: str | None = None) -> Stored | None:
        """Return what the store knows; see `streams.client.ports.ObjectStore.stat`."""
        try:
            found = self._client.stat_object(bucket, key, version_id=version_id)
        except FAULTS as error:
            if is_missing(error, version_id=version_id):
                return None
            raise translated(error, self._where) from error
        return Stored(key, found.size or 0, (found.etag or "").strip('"') or None, found.version_id, found.content_type)

    def entries(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[Stored]:
        """Yield objects with their sizes; see `streams.client.ports.ObjectStore.entries`."""
        try:
            for entry in self._client.list_objects(bucket, prefix, recursive=True, start_after=start_after or None):
                etag = (entry.etag or "").strip('"') or None
                yield Stored(str(entry.object_name), entry.size or 0, etag)
        except FAULTS as error:
            raise translated(error, self._where) from error

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None; see `processors.ports.Store.fetch`."""
        return self._store.fetch(bucket, key, limit=limit, version_id=version_id)

    def url(self, bucket: str, key: str, *, expires_s: int | None) -> str:
        """Return a signed address, or the plain one for None."""
        if expires_s is None:
            scheme = "https" if self._config.secure else "http"
            if self._config.path_style:
                return f"{scheme}://{self._config.endpoint}/{bucket}/{quote(key)}"
            return f"{scheme}://{bucket}.{self._config.endpoint}/{quote(key)}"
        try:
            return self._client.presigned_get_object(bucket, key, expires=timedelta(seconds=expires_s))
        except FAULTS as error:
            raise translated(error, self._where) from error

    def check(self) -> None:
        """Raise `Unavailable` unless the store answers."""
        self._store.check()
