"""What publishers, subscribers and waiters are made of, from the settings. No renderer is imported for it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from schemas.codec import Codec
from streams.adapters.directory_objects import DirectoryObjects
from streams.adapters.minio_objects import MinioObjects
from streams.client.parts import Parts, keep
from streams.compose.services import kafka_properties, make_registry, make_topics
from streams.compose.stores import Sources, make_policy, s3_config

if TYPE_CHECKING:
    from streams.client.ports import ObjectStore
    from streams.settings import Settings


def make_objects(settings: Settings) -> MinioObjects | DirectoryObjects:
    """Return the client's view of the store."""
    if settings.store.kind == "directory" and settings.store.directory is not None:
        return DirectoryObjects(settings.store.directory)
    return MinioObjects(s3_config(settings))


def make_parts(settings: Settings, codec: Codec | None = None) -> Parts:
    """Return the parts; nothing is connected yet. ``codec``: one to share, where the registry lives in this process."""
    topics = make_topics(settings)
    release = keep
    if codec is None:
        registry = make_registry(settings)
        codec, release = Codec(registry, topics), registry.close

    @cache
    def store() -> ObjectStore:
        return make_objects(settings)

    return Parts(
        kafka=kafka_properties(settings),
        codec=codec,
        topics=topics,
        store=store,
        upload_bucket=settings.store.upload_bucket,
        bucket=settings.store.bucket,
        recipe=settings.recipes.default,
        max_upload_bytes=settings.limits.bytes,
        check_source=Sources(make_policy(settings)).check,
        worker_group=settings.kafka.group,
        timeout_s=settings.kafka.timeout_s,
        release=release,
    )
