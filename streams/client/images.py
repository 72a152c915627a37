"""Looks an image up in the store: its newest manifest, and where a browser finds each variant.

A convenience for looking by hand and for cold starts: the events are the truth, and a service that keeps what they said
asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from processors.manifest import read_current, read_manifest
from schemas.ids import current_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processors.manifest import Manifest
    from streams.client.parts import Parts

_LARGEST: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredImage:
    """What the store has of one image."""

    tenant: str
    image_id: str
    hlc: int
    """Of the newest news about it."""
    manifest: Manifest | None
    """None: the image was deleted."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """Variant name -> URL."""

    @property
    def deleted(self) -> bool:
        """Say whether the newest news is that it was deleted."""
        return self.manifest is None


def get_image(parts: Parts, tenant: str, image_id: str, *, expires_s: int | None = 3600) -> StoredImage | None:
    """Return the image, None if no variant of it was ever made.

    ``expires_s``: for how many seconds the URLs are signed (at most a week); None: plain URLs, for buckets that anybody
    may read. Raise `Permanent` for an impossible id, `Unavailable` for the store.
    """
    store = parts.store()
    pointer = store.fetch(parts.bucket, current_key(tenant, image_id), limit=_LARGEST)
    current = None if pointer is None else read_current(pointer.data)
    if current is None:
        return None
    if current.manifest is None:
        return StoredImage(tenant, image_id, current.hlc, None)
    document = store.fetch(parts.bucket, current.manifest, limit=_LARGEST)
    folder = current.manifest.rpartition("/")[0] + "/"
    manifest = None if document is None else read_manifest(document.data, parts.bucket, folder)
    if manifest is None:
        return None
    urls = {each.name: store.url(each.bucket, each.key, expires_s=expires_s) for each in manifest.variants}
    return StoredImage(tenant, image_id, current.hlc, manifest, urls)
