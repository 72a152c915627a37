"""Whether one render is still what its manifest says: its objects by their hashes, and its original rendered again.

It only reads. What a delete removes meanwhile is no finding. Kafka is not asked: a manifest names its original.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from processors.deletes import newest_tombstone
from processors.fingerprint import fingerprint
from processors.manifest import Origin, read_manifest
from processors.settle import MAX_BYTES
from schemas.errors import Permanent
from schemas.events import Attributes, Source
from schemas.ids import decode_id, image_prefix, life_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processors.manifest import Manifest
    from processors.policy import SourcePolicy
    from processors.ports import RenderedVariant, Renderer, Store
    from processors.recipe import Recipe
    from schemas.events import Variant


class Fault(StrEnum):
    """What can be wrong with an object."""

    MISSING = "missing"
    """The manifest names it, and it is not there."""
    CORRUPT = "corrupt"
    """Its bytes are not those that were announced."""
    UNREADABLE = "unreadable"
    """The manifest makes no sense; a worker would render again."""
    DRIFT = "drift"
    """The same original and fingerprint give other bytes now."""
    REFUSED = "refused"
    """The original was rendered once and is refused now."""


class Skipped(StrEnum):
    """Why a render was not made again; its stored objects were looked at all the same."""

    NO_RECIPE = "no recipe here yields its fingerprint"
    NO_ORIGIN = "its manifest is of an older release, and the upload bucket has no original of this hash"
    ORIGINAL_GONE = "the original is gone"
    ORIGINAL_CHANGED = "another object has taken the place of the original"
    NOT_ALLOWED = "the original is where events may not point (source rules)"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    fault: Fault
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about one manifest."""

    key: str
    findings: tuple[Finding, ...] = ()
    skipped: Skipped | None = None
    """None: it was rendered again."""
    vanished: bool = False
    """It was deleted before it could be looked at."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks renders, on any number of threads."""

    store: Store
    renderer: Renderer
    recipes: Mapping[str, Recipe]
    policy: SourcePolicy
    bucket: str
    upload_bucket: str
    max_source_bytes: int

    def check(self, key: str) -> Checked:
        """Look at the manifest under ``key`` and at all that it names. Raise `Unavailable` or `Transient`."""
        prefix = key.rpartition("/")[0] + "/"
        blob = self.store.fetch(self.bucket, key, limit=MAX_BYTES)
        if blob is None:
            return Checked(key, vanished=True)
        manifest = read_manifest(blob.data, self.bucket, prefix)
        segments = key.split("/")
        if manifest is None or [manifest.source_sha256[:16], manifest.fingerprint] != segments[3:5]:
            found: list[Finding] = [Finding(Fault.UNREADABLE, key, "no manifest of this place")]
            skipped: Skipped | None = Skipped.NO_ORIGIN
        else:
            found = list(self._stored(manifest))
            again, skipped = self._again(manifest, decode_id(segments[0]), decode_id(segments[1]))
            found += again
        if found and self._is_leaving(key, manifest):
            return Checked(key, vanished=True)
        return Checked(key, tuple(found), skipped)

    def _stored(self, manifest: Manifest) -> Iterator[Finding]:
        """Compare every stored variant with the manifest."""
        for variant in manifest.variants:
            try:
                blob = self.store.fetch(self.bucket, variant.key, limit=variant.bytes)
            except Permanent as error:
                yield Finding(Fault.CORRUPT, variant.key, f"expected {variant.bytes} bytes: {error.detail}")
                continue
            if blob is None:
                yield Finding(Fault.MISSING, variant.key, f"expected {variant.bytes} bytes, sha256 {variant.sha256}")
            elif (found := sha256(blob.data).hexdigest()) != variant.sha256:
                yield Finding(Fault.CORRUPT, variant.key, f"expected sha256 {variant.sha256}, found {found}")

    def _again(self, manifest: Manifest, tenant: str, image_id: str) -> tuple[list[Finding], Skipped | None]:
        """Render the original again, if that can be done, and compare."""
        recipe = self._recipe(manifest)
        if recipe is None:
            return [], Skipped.NO_RECIPE
        origin = self._origin(manifest, tenant, image_id)
        if isinstance(origin, Skipped):
            return [], origin
        where = f"{origin.bucket}/{origin.key}"
        try:
            data = self._original(origin)
            if data is None:
                return [], Skipped.ORIGINAL_GONE
            if (found := sha256(data).hexdigest()) != manifest.source_sha256:
                return _changed(where, manifest.source_sha256, found), Skipped.ORIGINAL_CHANGED
            facts = self.renderer.inspect(data)
            rendered = self.renderer.render(data, facts, recipe, Attributes(focus=manifest.focus))
        except Permanent as error:
            return [Finding(Fault.REFUSED, where, f"the original: {error.reason}: {error.detail}")], None
        engine = ", ".join(f"{name} {version}" for name, version in manifest.engine.items()) or "unknown"
        return list(_drift(manifest.variants, rendered.variants, engine)), None

    def _recipe(self, manifest: Manifest) -> Recipe | None:
        """Return the recipe that yields the manifest's fingerprint, the one of its name first."""
        attributes = Attributes(focus=manifest.focus)
        named = self.recipes.get(manifest.recipe)
        candidates = [*([named] if named else []), *self.recipes.values()]
        return next((each for each in candidates if fingerprint(each, attributes) == manifest.fingerprint), None)

    def _origin(self, manifest: Manifest, tenant: str, image_id: str) -> Origin | Skipped:
        """Return where the original should be: as the manifest says, else where publishers put it under its hash."""
        origin = manifest.origin
        if origin is None:
            beginning = f"{image_prefix(tenant, image_id)}{manifest.source_sha256}."
            keys = self.store.list(self.upload_bucket, beginning)
            origin = next((Origin(self.upload_bucket, key) for key in keys), None)
        if origin is None:
            return Skipped.NO_ORIGIN
        try:
            self.policy.check(tenant, Source(origin.bucket, origin.key, 0))
        except Permanent:
            return Skipped.NOT_ALLOWED
        return origin

    def _original(self, origin: Origin) -> bytes | None:
        blob = self.store.fetch(origin.bucket, origin.key, limit=self.max_source_bytes, version_id=origin.version_id)
        return None if blob is None else blob.data

    def _is_leaving(self, key: str, manifest: Manifest | None) -> bool:
        """Say whether what looks damaged is being deleted: it is gone, or a newer tombstone means it."""
        if self.store.fetch(self.bucket, key, limit=MAX_BYTES) is None:
            return True
        tenant, image_id = (decode_id(part) for part in key.split("/")[:2])
        tombstone = newest_tombstone(self.store, self.bucket, tenant, image_id)
        return tombstone > (life_of(key) or 0) and (manifest is None or manifest.hlc < tombstone)


def _changed(where: str, expected: str, found: str) -> list[Finding]:
    """Tell damage from change: a key that contains the hash cannot rightly hold anything else."""
    damage = f"the original: expected sha256 {expected}, found {found}"
    return [Finding(Fault.CORRUPT, where, damage)] if expected in where else []


def _drift(stored: tuple[Variant, ...], made: tuple[RenderedVariant, ...], engine: str) -> Iterator[Finding]:
    """Compare what was rendered now with what the manifest says was rendered then."""
    now = {each.name: each for each in made}
    for variant in stored:
        again = now.pop(variant.name, None)
        if again is None:
            yield Finding(Fault.DRIFT, variant.key, f"not rendered any more; made by {engine}")
        elif (digest := sha256(again.data).hexdigest()) != variant.sha256:
            then, size = f"{variant.bytes} bytes, sha256 {variant.sha256}", len(again.data)
            yield Finding(Fault.DRIFT, variant.key, f"was {then}, is {size} bytes, sha256 {digest}; made by {engine}")
    for name in now:
        yield Finding(Fault.DRIFT, name, "rendered now, and not in the manifest")
