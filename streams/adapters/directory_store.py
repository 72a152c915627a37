"""The store as a folder on this machine: for trying out, and as a fast stand-in that the contract test holds to S3.

Writes are files renamed into place, so that readers see the old object or the new one. It keeps neither content types
nor cache headers nor versions, and does not force data to the disk: a power cut may lose what was just written.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

from processors.ports import Blob
from schemas.errors import Permanent, Reason, Unavailable
from streams.adapters.directory_paths import is_bucket, is_key, to_folders, to_key, to_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SCRATCH: Final = ".scratch"
"""No bucket's name can begin with a dot."""


class DirectoryStore:
    """`processors.ports.Store` below ``root``; one folder a bucket, made when first written to.

    Threads and processes may share it. ``OSError`` (disk full, no permission) becomes `Unavailable`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._scratch = root / _SCRATCH

    def path(self, bucket: str, key: str) -> Path:
        """Return the file that holds, or would hold, the object. Raise `Permanent` for what no S3 would take."""
        if not is_bucket(bucket) or not is_key(key):
            message = f"the store cannot hold {bucket[:100]!r}/{key[:300]!r}"
            raise Permanent(Reason.OUTPUT_REFUSED, message)
        return self._root.joinpath(bucket, *to_path(key))

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None; see `processors.ports.Store.fetch`. It has no versions but the last."""
        if version_id is not None or not is_bucket(bucket) or not is_key(key):
            return None
        with _faults():
            data = _read(self.path(bucket, key), limit)
        return None if data is None else Blob(data, etag=_etag(data))

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str, cache_control: str = "") -> None:  # noqa: ARG002 - files carry neither
        """Write the object; see `processors.ports.Store.put`."""
        path = self.path(bucket, key)
        with _faults(), self._written(data) as new, self._lock(fcntl.LOCK_SH):
            _move(new, path)

    def replace(self, bucket: str, key: str, data: bytes, *, expected: str | None, content_type: str) -> bool:  # noqa: ARG002 - files carry none
        """Write if the state is as expected; see `processors.ports.Store.replace`."""
        path = self.path(bucket, key)
        with _faults(), self._written(data) as new, self._lock(fcntl.LOCK_EX):
            present = _read(path, None)
            if (None if present is None else _etag(present)) != expected:
                return False
            _move(new, path)
        return True

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """Yield keys in order; see `processors.ports.Store.list`. Reads all names under the prefix before the first."""
        if not is_bucket(bucket) or (prefix and not is_key(f"{prefix}x")):
            return
        base = self._root / bucket
        with _faults():
            files = [
                (*Path(folder).relative_to(base).parts, name)
                for folder, _, names in os.walk(base.joinpath(*to_folders(prefix)))
                for name in names
            ]
        keys = [key.encode() for key in map(to_key, files) if key.startswith(prefix)]
        yield from (key.decode() for key in sorted(keys) if key > start_after.encode())

    def remove(self, bucket: str, keys: Iterable[str]) -> int:
        """Delete objects; see `processors.ports.Store.remove`."""
        paths = [self.path(bucket, key) for key in keys]
        with _faults(), self._lock(fcntl.LOCK_EX):
            for path in paths:
                path.unlink(missing_ok=True)
                self._prune(path.parent, self._root / bucket)
        return len(paths)

    def check(self) -> None:
        """Raise `Unavailable` unless the folder can be written to."""
        with _faults(), self._written(b""):
            pass

    def make_bucket(self, bucket: str) -> bool:
        """Make the bucket's folder; False if it is there already."""
        if not is_bucket(bucket):
            message = f"{bucket[:100]!r} is no name for a bucket"
            raise Permanent(Reason.OUTPUT_REFUSED, message)
        with _faults():
            try:
                (self._root / bucket).mkdir(parents=True)
            except FileExistsError:
                return False
        return True

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        """Yield a file with these bytes that is gone afterwards unless it was moved away."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        path = self._scratch / uuid.uuid4().hex
        try:
            path.write_bytes(data)
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        """Hold the store's lock: shared to move a file in, alone to compare first or to take folders away."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with (self._scratch / "lock").open("a") as handle:
            fcntl.flock(handle, kind)
            yield

    @staticmethod
    def _prune(folder: Path, bucket: Path) -> None:
        """Take empty folders away, up to the bucket's own, which stays."""
        while folder != bucket and folder.is_relative_to(bucket):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:  # not empty
                return
            folder = folder.parent


def _read(path: Path, limit: int | None) -> bytes | None:
    """Return the file's bytes, None if there is none; what is opened stays whole even if it is replaced meanwhile."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if limit is not None and size > limit:
                message = f"the object has {size} bytes, allowed are {limit}"
                raise Permanent(Reason.TOO_LARGE, message)
            return file.read()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENAMETOOLONG}:
            return None
        raise


def _move(new: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new.replace(path)


def _etag(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Permanent(Reason.OUTPUT_REFUSED, "the key makes too long a path") from error
        message = f"{error.strerror or error} ({error.filename or 'store.directory'})"
        raise Unavailable("store", message) from error
