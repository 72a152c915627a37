"""The events that answer an upload, built from what was found out. Values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import ImageDeleted, ImageFailed, ImageReady
from schemas.ids import output_event_id

if TYPE_CHECKING:
    from datetime import datetime

    from processors.manifest import Manifest
    from schemas.errors import Reason
    from schemas.events import Cause, ImageUploaded, Input, Timings


def ready(
    event: ImageUploaded, cause: Cause, manifest: Manifest, timings: Timings, *, deduplicated: bool
) -> ImageReady:
    """Return the ready event: every variant of the manifest is in the store."""
    return ImageReady(
        event_id=output_event_id(event.event_id, "ready", cause.replay_id),
        cause=cause,
        tenant=event.tenant,
        image_id=event.image_id,
        hlc=event.hlc,
        source_sha256=manifest.source_sha256,
        recipe=event.recipe,
        fingerprint=manifest.fingerprint,
        variants=manifest.variants,
        source=manifest.source,
        uploaded_at=event.uploaded_at,
        thumbhash=manifest.thumbhash,
        dominant_colour=manifest.dominant_colour,
        deduplicated=deduplicated,
        timings=timings,
        perceptual_hash=manifest.perceptual_hash,
    )


def failed(  # noqa: PLR0913 - the fields of the event
    event: Input, cause: Cause, reason: Reason, detail: str, *, failed_at: datetime, attempts: int = 1
) -> ImageFailed:
    """Return the failed event that answers an input which could be read."""
    return ImageFailed(
        event_id=output_event_id(event.event_id, "failed", cause.replay_id),
        cause=cause,
        reason=reason,
        detail=detail,
        attempts=attempts,
        failed_at=failed_at,
        tenant=event.tenant,
        image_id=event.image_id,
        hlc=event.hlc,
        recipe=None if isinstance(event, ImageDeleted) else event.recipe,
    )
