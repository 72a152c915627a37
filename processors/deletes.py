"""Deletes: the tombstone, the removal of what is older, the announcement; and how a writer learns of a tombstone.

Writer and deleter run at the same time, on different workers, late or twice, and cannot lock each other out. What keeps
them right is the order in which each writes and then looks, on a store whose listings see every finished write:

* a writer writes its manifest (with its upload's hlc), and only then looks for a tombstone;
* a deleter writes its tombstone, and only then looks for manifests.

So at least one of them sees the other. A writer that sees a tombstone newer than its upload answers ``image_deleted``;
one that sees an older tombstone, newer than the life it worked in, starts again in that tombstone's life. A deleter
removes what is in lives older than its tombstone, except what a manifest ties to an upload newer than the tombstone:
such an upload may have overtaken the delete on another lane, and was announced before the deleter came. (If it was not,
and started again, the spared copy goes with the delete that ends that upload.) A life older than any tombstone is never
begun again, so late writes there hit nothing that lives.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Final

from processors.manifest import CONTENT_TYPE, Current, read_current, read_manifest, write_current
from processors.settle import MAX_BYTES, settle
from schemas.events import ImageRemoved
from schemas.ids import (
    current_key,
    image_prefix,
    life_of,
    life_prefix,
    output_event_id,
    tombstone_hlc,
    tombstone_key,
    tombstone_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from processors.ports import Store
    from schemas.events import Cause, ImageDeleted

MANIFEST: Final = "manifest.json"

MAX_REASON: Final = 4096
"""Characters of a delete's reason that are repeated: the announcement must fit its topic, whatever was given."""


def newest_tombstone(store: Store, bucket: str, tenant: str, image_id: str, *, after: int = 0) -> int:
    """Return the hlc of the image's newest tombstone, ``after`` if there is none newer. One request."""
    start = tombstone_key(tenant, image_id, after) if after else ""
    keys = store.list(bucket, tombstone_prefix(tenant, image_id), start_after=start)
    return max((hlc for key in keys if (hlc := tombstone_hlc(key)) is not None), default=after)


def delete_image(store: Store, bucket: str, event: ImageDeleted, cause: Cause, removed_at: datetime) -> ImageRemoved:
    """Delete the image as of the event's hlc and return the announcement. Safe to repeat from any point.

    Requests: the tombstone, two for the pointer, a listing, a read for each older manifest, and a removal if there is
    anything.
    """
    store.put(
        bucket,
        tombstone_key(event.tenant, event.image_id, event.hlc),
        _tombstone(event),
        content_type=CONTENT_TYPE,
    )
    # The pointer first: whoever dies in between leaves nothing that points at what is gone.
    _withdraw_current(store, bucket, event)
    removed = remove_older(store, bucket, event.tenant, event.image_id, event.hlc)
    return ImageRemoved(
        event_id=output_event_id(event.event_id, "removed", cause.replay_id),
        cause=cause,
        tenant=event.tenant,
        image_id=event.image_id,
        hlc=event.hlc,
        removed_objects=removed,
        removed_at=removed_at,
        reason=event.reason[:MAX_REASON],
    )


def remove_older(store: Store, bucket: str, tenant: str, image_id: str, tombstone: int) -> int:
    """Remove what lives older than ``tombstone`` left, except what newer uploads use; return the number of objects.

    Only to be called when that tombstone is in the store.
    """
    doomed = [
        key
        for prefix, keys in _older_renders(store, bucket, tenant, image_id, tombstone)
        if not _is_spared(store, bucket, prefix, keys, tombstone)
        for key in keys
    ]
    return store.remove(bucket, doomed) if doomed else 0


def _older_renders(
    store: Store, bucket: str, tenant: str, image_id: str, tombstone: int
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder of an older life with its keys. In a listing the lives come first, oldest first."""
    end = life_prefix(tenant, image_id, tombstone)

    def folder(key: str) -> str:
        return key.rpartition("/")[0] + "/"

    older = _until(store.list(bucket, image_prefix(tenant, image_id)), end)
    for prefix, keys in groupby((key for key in older if life_of(key) is not None), folder):
        yield prefix, list(keys)


def _until(keys: Iterator[str], end: str) -> Iterator[str]:
    for key in keys:
        if key >= end:
            return
        yield key


def _is_spared(store: Store, bucket: str, prefix: str, keys: list[str], tombstone: int) -> bool:
    key = f"{prefix}{MANIFEST}"
    blob = store.fetch(bucket, key, limit=MAX_BYTES) if key in keys else None
    manifest = None if blob is None else read_manifest(blob.data, bucket, prefix)
    return manifest is not None and manifest.hlc >= tombstone


def _tombstone(event: ImageDeleted) -> bytes:
    plain = {
        "hlc": event.hlc,
        "event_id": str(event.event_id),
        "requested_at": event.requested_at.isoformat(),
        "reason": event.reason,
    }
    return json.dumps(plain, indent=1).encode() + b"\n"


def _withdraw_current(store: Store, bucket: str, event: ImageDeleted) -> None:
    """Let the pointer say "deleted" rather than remove it: a late writer of older news then finds newer."""
    deleted = Current(hlc=event.hlc, life=event.hlc, manifest=None)

    def merge(present: bytes | None) -> bytes:
        current = None if present is None else read_current(present)
        return present if present is not None and current is not None and not current.yields_to(deleted) else _deleted

    _deleted = write_current(deleted)
    settle(store, bucket, current_key(event.tenant, event.image_id), merge, content_type=CONTENT_TYPE)
