"""The image handler: an upload or delete comes in, the event that answers it goes out, the objects are in the store.

It knows neither Kafka nor S3 nor pixels; store, renderer and clock are handed to it. `Permanent` errors become failed
events here; `Transient` ones are the caller's to retry, from the start: every step can be repeated.

Requests to the store, n the number of variants:

====================================  ====================================================================
upload, rendered                      n + 6: tombstones, manifest, source, n variants, manifest, pointer, tombstones
upload, rendered, pointer exists      n + 8: the pointer is first believed absent, then read and replaced
upload, done already (replay)         4: tombstones, manifest, pointer, tombstones
  … by a newer upload of these bytes  6: the manifest takes over its hlc, the pointer moves
upload older than a tombstone         1
delete                                4, and a removal and a read for each manifest if there is anything
====================================  ====================================================================

An upload without a hash is fetched before its manifest can be looked for. The pointer is looked at even when all is
done, because the worker that did it may have died before it moved the pointer. A tombstone is looked for once before
(it names the life) and once after everything else; see ``processors.deletes`` for why that order suffices.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from processors.answers import failed, ready
from processors.deletes import delete_image, newest_tombstone, remove_older
from processors.fingerprint import fingerprint
from processors.making import Making
from processors.manifest import (
    CONTENT_TYPE,
    Current,
    Manifest,
    Origin,
    read_current,
    read_manifest,
    write_current,
    write_manifest,
)
from processors.settle import MAX_BYTES, Unread, settle
from schemas.errors import Permanent, Reason, Waiting
from schemas.events import ImageDeleted, SourceFacts, Variant
from schemas.ids import current_key, manifest_key, render_prefix, variant_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.facts import Facts
    from processors.policy import SourcePolicy
    from processors.ports import Blob, Clock, RenderedVariant, Renderer, Store
    from processors.recipe import Recipe
    from schemas.events import Cause, ImageReady, ImageUploaded, Input, Output

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""A variant's key contains the hash of its bytes. A year is the most that caches are asked to keep anything."""

_SHOWN: Final = 100


class ImageHandler:
    """Answers input events. Safe to call on many threads if store and renderer are."""

    def __init__(  # noqa: PLR0913 - what a handler is made of; the composition root names each
        self,
        store: Store,
        renderer: Renderer,
        recipes: Mapping[str, Recipe],
        policy: SourcePolicy,
        clock: Clock,
        *,
        bucket: str,
        max_source_bytes: int,
        engine: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._recipes = recipes
        self._policy = policy
        self._clock = clock
        self._bucket = bucket
        self._max_source_bytes = max_source_bytes
        self._engine = engine or {}

    def __call__(self, event: Input, cause: Cause, target_fingerprint: str | None = None) -> Output:
        """Return the answer. Raise `Transient` only: `Unavailable`, or `Waiting` for a recipe that may still come.

        ``target_fingerprint`` is what a replay wants to reach.
        """
        try:
            if isinstance(event, ImageDeleted):
                return delete_image(self._store, self._bucket, event, cause, self._clock.now())
            return self._upload(event, cause, target_fingerprint)
        except Permanent as error:
            return failed(event, cause, error.reason, error.detail, failed_at=self._clock.now())

    def _upload(self, event: ImageUploaded, cause: Cause, target: str | None) -> ImageReady:
        self._policy.check(event.tenant, event.source)
        recipe, wanted = self._recipe(event, target)
        making = Making(
            event,
            recipe,
            store=self._store,
            renderer=self._renderer,
            clock=self._clock,
            limit=self._max_source_bytes,
        )
        life = self._newest_tombstone(event)
        _refuse_deleted(event, life)
        while True:
            manifest, rendered = self._settled(event, wanted, life, making)
            newest = self._newest_tombstone(event, after=life)
            if newest == life:
                return ready(event, cause, manifest, making.timings, deduplicated=not rendered)
            if event.hlc < newest:
                remove_older(self._store, self._bucket, event.tenant, event.image_id, newest)
            _refuse_deleted(event, newest)
            life = newest

    def _recipe(self, event: ImageUploaded, target: str | None) -> tuple[Recipe, str]:
        """Return the recipe and its fingerprint, or wait for a worker or a configuration that has it."""
        recipe = self._recipes.get(event.recipe)
        if recipe is None:
            message = f"no recipe {event.recipe[:_SHOWN]!r} here; there are {', '.join(sorted(self._recipes))}"
            raise Waiting(Reason.UNKNOWN_RECIPE, message)
        wanted = fingerprint(recipe, event.attributes)
        if target is not None and target != wanted:
            message = f"recipe {event.recipe!r} has fingerprint {wanted} here, the replay wants {target}"
            raise Waiting(Reason.UNKNOWN_RECIPE, message)
        return recipe, wanted

    def _newest_tombstone(self, event: ImageUploaded, *, after: int = 0) -> int:
        return newest_tombstone(self._store, self._bucket, event.tenant, event.image_id, after=after)

    def _settled(self, event: ImageUploaded, wanted: str, life: int, making: Making) -> tuple[Manifest, bool]:
        """Have variants, manifest and pointer in the store, and return the manifest and whether it had to be made."""
        prefix = render_prefix(event.tenant, event.image_id, life, making.sha256, wanted)
        key = manifest_key(event.tenant, event.image_id, life, making.sha256, wanted)
        blob = self._store.fetch(self._bucket, key, limit=MAX_BYTES)
        present = None if blob is None else self._readable(blob.data, prefix, making.sha256)
        manifest = self._stored(event, prefix, wanted, making) if present is None else present
        with making.timed("put_ms"):
            if present is None or present.hlc < event.hlc:
                newer = replace(manifest, hlc=event.hlc, origin=_origin(event))
                manifest = self._settle_manifest(key, prefix, newer, blob)
            believed = None if present is None else Unread.UNREAD
            self._settle_pointer(event, key, life, manifest, believed=believed)
        return manifest, present is None

    def _readable(self, data: bytes, prefix: str, source_sha256: str) -> Manifest | None:
        manifest = read_manifest(data, self._bucket, prefix)
        return manifest if manifest is not None and manifest.source_sha256 == source_sha256 else None

    def _stored(self, event: ImageUploaded, prefix: str, wanted: str, making: Making) -> Manifest:
        """Put every variant and return the manifest that says so."""
        facts, rendered = making.rendered()
        with making.timed("put_ms"):
            variants = tuple(self._put(prefix, variant) for variant in rendered.variants)
        return Manifest(
            source_sha256=making.sha256,
            recipe=event.recipe,
            fingerprint=wanted,
            hlc=event.hlc,
            variants=variants,
            source=_source_facts(facts),
            thumbhash=rendered.thumbhash,
            dominant_colour=rendered.dominant_colour,
            perceptual_hash=rendered.perceptual_hash,
            engine=self._engine,
            origin=_origin(event),
            focus=event.attributes.focus,
        )

    def _put(self, prefix: str, variant: RenderedVariant) -> Variant:
        digest = sha256(variant.data).hexdigest()
        key = variant_key(prefix, variant.name, digest, variant.extension)
        self._store.put(self._bucket, key, variant.data, content_type=variant.content_type, cache_control=IMMUTABLE)
        return Variant(
            name=variant.name,
            bucket=self._bucket,
            key=key,
            content_type=variant.content_type,
            width=variant.width,
            height=variant.height,
            bytes=len(variant.data),
            sha256=digest,
            quality=variant.quality,
            missed=variant.missed,
        )

    def _settle_manifest(self, key: str, prefix: str, made: Manifest, believed: Blob | None) -> Manifest:
        """Write the manifest, unless a rival's is there: then keep the rival's variants, and the newer of both hlcs."""

        def merge(present: bytes | None) -> bytes:
            rival = None if present is None else self._readable(present, prefix, made.source_sha256)
            if present is None or rival is None:
                return write_manifest(made)
            newer = replace(rival, hlc=made.hlc, origin=made.origin)
            return present if rival.hlc >= made.hlc else write_manifest(newer)

        data = settle(self._store, self._bucket, key, merge, content_type=CONTENT_TYPE, believed=believed)
        return read_manifest(data, self._bucket, prefix) or made

    def _settle_pointer(
        self, event: ImageUploaded, key: str, life: int, manifest: Manifest, *, believed: Unread | None
    ) -> None:
        pointer = Current(event.hlc, life, key, manifest.source_sha256, event.recipe, manifest.fingerprint)

        def merge(present: bytes | None) -> bytes:
            current = None if present is None else read_current(present)
            keep = current is not None and not current.yields_to(pointer)
            return present if present is not None and keep else write_current(pointer)

        pointer_key = current_key(event.tenant, event.image_id)
        settle(self._store, self._bucket, pointer_key, merge, content_type=CONTENT_TYPE, believed=believed)


def _refuse_deleted(event: ImageUploaded, tombstone: int) -> None:
    if event.hlc < tombstone:
        message = f"the image was deleted at hlc {tombstone}, after this upload (hlc {event.hlc})"
        raise Permanent(Reason.IMAGE_DELETED, message)


def _origin(event: ImageUploaded) -> Origin:
    return Origin(event.source.bucket, event.source.key, event.source.version_id)


def _source_facts(facts: Facts) -> SourceFacts:
    return SourceFacts(
        format=str(facts.format),
        width=facts.width,
        height=facts.height,
        frames=facts.frames,
        has_alpha=facts.has_alpha,
        colour_space=facts.colour_space,
    )
