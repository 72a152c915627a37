"""The object store of the settings: S3, or a folder for trying out; and which sources events may point to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.policy import AllowedSource, SourcePolicy
from schemas.events import Source
from streams.adapters.directory_store import DirectoryStore
from streams.adapters.minio_client import S3Config
from streams.adapters.minio_reach import reach
from streams.adapters.minio_store import MinioStore

if TYPE_CHECKING:
    from streams.settings import Settings

SPARE_CONNECTIONS = 4


def make_store(settings: Settings) -> MinioStore | DirectoryStore:
    """Return the store; nothing is connected yet."""
    if settings.store.kind == "directory" and settings.store.directory is not None:
        return DirectoryStore(settings.store.directory)
    return MinioStore(s3_config(settings))


def s3_config(settings: Settings) -> S3Config:
    """Return how to reach the S3 service."""
    store = settings.store
    return S3Config(
        endpoint=store.endpoint,
        bucket=store.bucket,
        region=store.region,
        access_key=store.access_key,
        secret_key=store.secret_key.get_secret_value() if store.secret_key else None,
        secure=store.secure,
        path_style=store.path_style,
        ca_file=store.ca_file,
        sts_endpoint=store.sts_endpoint,
        pool_size=settings.worker.concurrency + SPARE_CONNECTIONS,
    )


def reach_store(settings: Settings) -> None:
    """Raise `Unavailable` ("store") unless it answers soon."""
    if settings.store.kind == "directory":
        make_store(settings).check()
    else:
        reach(s3_config(settings), settings.kafka.timeout_s)


class Sources:
    """The allowed places as a client asks for them: by tenant, bucket and key."""

    def __init__(self, policy: SourcePolicy) -> None:
        self._policy = policy

    def check(self, tenant: str, bucket: str, key: str) -> None:
        """Raise `Permanent` (``source_not_allowed``) where the workers would."""
        self._policy.check(tenant, Source(bucket, key, 0))


def make_policy(settings: Settings) -> SourcePolicy:
    """Return the allowed places."""
    return SourcePolicy(tuple(AllowedSource(rule.bucket, rule.prefix) for rule in settings.source_rules()))
