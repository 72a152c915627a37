"""The store on MinIO or any other S3, by minio-py.

One request a call (a listing: one for every 1000 keys), no request to find the region, connections kept and shared by
all threads. Errors are translated at this edge, see ``minio_errors``. It retries nothing but a connection that the
server closed while it was idle: patience is the engine's. Not to be used across a fork.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

import urllib3
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from processors.ports import Blob
from schemas.errors import Permanent, Reason, Transient, Unavailable
from streams.adapters.minio_client import ConfiguredCredentials, S3Config, s3_client
from streams.adapters.minio_errors import FAULTS, is_denied, is_lost, is_missing, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from urllib3.response import BaseHTTPResponse

CHECK_TIMEOUT: Final = urllib3.Timeout(connect=3.0, read=3.0)
"""An unreachable store is to be named within 10 s."""


class MinioStore:
    """`processors.ports.Store` over S3."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        self._where = f"{config.endpoint} (store.endpoint)"
        credentials = ConfiguredCredentials(config)
        self._client = s3_client(config, credentials)
        self._prober = s3_client(config, credentials, timeout=CHECK_TIMEOUT, pool_size=1)

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None; see `processors.ports.Store.fetch`."""
        try:
            response = self._client.get_object(bucket, key, version_id=version_id)
            return _read(response, limit)
        except FAULTS as error:
            if is_missing(error, version_id=version_id):
                return None
            if is_denied(error) and self._may_read_beside(bucket, key):
                message = f"{bucket}/{key} denies access, unlike its neighbours"
                raise Transient(message) from error
            raise translated(error, self._where) from error

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str, cache_control: str = "") -> None:
        """Write the object; see `processors.ports.Store.put`."""
        metadata: dict[str, str | list[str] | tuple[str]] = {"Cache-Control": cache_control} if cache_control else {}
        try:
            self._client.put_object(bucket, key, BytesIO(data), len(data), content_type=content_type, metadata=metadata)
        except FAULTS as error:
            raise translated(error, self._where) from error

    def replace(self, bucket: str, key: str, data: bytes, *, expected: str | None, content_type: str) -> bool:
        """Write if the state is as expected; see `processors.ports.Store.replace`.

        False can also mean that this very write won and its answer was lost: read before trying again.
        """
        condition = {"If-None-Match": "*"} if expected is None else {"If-Match": f'"{expected}"'}
        try:
            self._client.put_if(bucket, key, data, condition, content_type)
        except FAULTS as error:
            if is_lost(error):
                return False
            raise translated(error, self._where) from error
        return True

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """Yield keys in order; see `processors.ports.Store.list`."""
        try:
            for entry in self._client.list_objects(bucket, prefix, recursive=True, start_after=start_after or None):
                yield str(entry.object_name)
        except FAULTS as error:
            raise translated(error, self._where) from error

    def remove(self, bucket: str, keys: Iterable[str]) -> int:
        """Delete, a thousand a request; see `processors.ports.Store.remove`."""
        doomed = [DeleteObject(key) for key in keys]
        try:
            refused = list(self._client.remove_objects(bucket, doomed))
        except FAULTS as error:
            raise translated(error, self._where) from error
        if refused:
            message = f"{self._where} did not delete {len(refused)} objects: {refused[0].code}, {refused[0].message}"
            raise Unavailable("store", message) if refused[0].code == "AccessDenied" else Transient(message)
        return len(doomed)

    def check(self) -> None:
        """Raise `Unavailable` unless the service answers, takes the credentials, and has the bucket."""
        bucket = self._config.bucket
        try:
            found = self._prober.bucket_exists(bucket)
        except FAULTS as error:
            raise translated(error, self._where) from error
        if not found:
            message = f"{self._where} has no bucket {bucket!r} (store.bucket)"
            raise Unavailable("store", message)

    def make_bucket(self, bucket: str) -> bool:
        """Make the bucket; False if it is there already (and ours)."""
        try:
            self._prober.make_bucket(bucket)
        except S3Error as error:
            if error.code in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                return False
            raise translated(error, self._where) from error
        except FAULTS as error:
            raise translated(error, self._where) from error
        return True

    def _may_read_beside(self, bucket: str, key: str) -> bool:
        """Tell one object's own denial from a missing right, by asking for a neighbour that does not exist.

        With the rights that this project documents the answer is "not found". Without this question one object under a
        foreign encryption key could hold up everybody, or a missing right could fail everything.
        """
        try:
            self._client.stat_object(bucket, f"{key[:900]}~")
        except FAULTS as error:
            return not is_denied(error) and is_missing(error, version_id=None)
        return True


def _read(response: BaseHTTPResponse, limit: int) -> Blob:
    """Read the body as it is stored unless it is too large; then drop the connection rather than the bytes.

    Never unpacked: an object may claim any Content-Encoding, and a few kilobytes of gzip can hold gigabytes.
    """
    headers = response.headers
    length = headers.get("Content-Length")
    try:
        size = int(length) if length is not None else 0
        data = b"" if size > limit else response.read(None if length else limit + 1, decode_content=False)
        size = max(size, len(data))
        if size > limit:
            response.close()
    finally:
        response.release_conn()
    if size > limit:
        message = f"the object has {size} bytes or more, allowed are {limit}"
        raise Permanent(Reason.TOO_LARGE, message)
    return Blob(
        data,
        etag=headers.get("ETag", "").strip('"'),
        version_id=headers.get("x-amz-version-id"),
        content_type=headers.get("Content-Type"),
    )
