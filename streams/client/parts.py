"""What a client is made of, as one value that the composition root fills in; nothing here reads the environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.codec import Codec
    from schemas.topics import Topics
    from streams.client.ports import ObjectStore

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """Return the time, timezone-aware."""
    return datetime.now(UTC)


def micros(time: datetime) -> int:
    """Return microseconds since the epoch, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def keep() -> None:
    """Close nothing."""


def anywhere(tenant: str, bucket: str, key: str) -> None:
    """Allow every source; the workers have the last word anyway."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Ready parts of publishers, subscribers, waiters and the helpers. One value serves any number of them."""

    kafka: Mapping[str, Any]
    """librdkafka properties of the connection: ``bootstrap.servers``, security. The protocol's own win."""
    codec: Codec
    topics: Topics
    store: Callable[[], ObjectStore]
    """Makes the store when it is first needed: a subscriber has no use for one, nor for its credentials."""
    upload_bucket: str = "uploads"
    bucket: str = "darkroom"
    """Where variants, manifests and ``current.json`` are."""
    recipe: str = "web"
    """The recipe of uploads that name none."""
    region: str = ""
    max_upload_bytes: int = 100_000_000
    """Larger originals are refused before they are uploaded: the worker would answer ``too_large``."""
    check_source: Callable[[str, str, str], None] = anywhere
    """Called with tenant, bucket and key of an object already in a bucket; raises `Permanent(SOURCE_NOT_ALLOWED)`."""
    worker_group: str | None = None
    """The workers' own group, which no subscriber may join: it would take part in their rebalances."""
    timeout_s: float = 5.0
    """How long a first answer of a broker may take before `Unavailable` says which address was tried."""
    release: Callable[[], None] = keep
    """Closes what the parts themselves hold open; called by whoever had them made, not by those who share them."""
    clock: Callable[[], datetime] = utc_now
    new_id: Callable[[], UUID] = uuid4
