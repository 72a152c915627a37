"""The client's view of the stores, held on a real MinIO and on the directory store; and looking an image up in them."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from processors.manifest import Current, Manifest, write_current, write_manifest
from schemas.events import SourceFacts, Variant
from schemas.ids import current_key, manifest_key, render_prefix, variant_key
from streams.adapters.directory_objects import DirectoryObjects
from streams.client.images import get_image

if TYPE_CHECKING:
    from pathlib import Path

    from streams.adapters.minio_objects import MinioObjects
    from tests.client.world import World

SHA = "ab" * 32
PRINT = "0123456789abcdef"


@pytest.fixture(params=["minio", "directory"])
def objects(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> MinioObjects | DirectoryObjects:
    """Return each store in turn."""
    return world.objects if request.param == "minio" else DirectoryObjects(tmp_path)


def test_an_upload_says_what_a_worker_will_find(
    objects: MinioObjects | DirectoryObjects, world: World, tenant: str
) -> None:
    """Size and etag are the ones that a fetch and a stat report, also for an upload of many megabytes."""
    bucket, data = world.parts.bucket, bytes(12_000_000)

    stored = objects.upload(bucket, f"{tenant}/1.jpg", data, content_type="image/jpeg")

    found, fetched = objects.stat(bucket, stored.key), objects.fetch(bucket, stored.key, limit=len(data))
    assert found is not None
    assert fetched is not None
    assert stored.etag == found.etag == fetched.etag
    assert stored.size == found.size == len(fetched.data) == len(data)


def test_what_is_missing_has_no_stat(objects: MinioObjects | DirectoryObjects, world: World, tenant: str) -> None:
    """Neither in a bucket that is there nor in one that is not."""
    assert objects.stat(world.parts.bucket, f"{tenant}/none") is None
    assert objects.stat(tenant, "none") is None


def test_listings_have_sizes_and_can_be_resumed(
    objects: MinioObjects | DirectoryObjects, world: World, tenant: str
) -> None:
    """In key order, of the prefix only, after the key where an earlier run stopped."""
    bucket = world.parts.bucket
    for number in range(3):
        objects.upload(bucket, f"{tenant}/{number}", b"x" * number, content_type="image/jpeg")

    found = list(objects.entries(bucket, f"{tenant}/", start_after=f"{tenant}/0"))

    assert [(each.key, each.size) for each in found] == [(f"{tenant}/1", 1), (f"{tenant}/2", 2)]
    for each in found:
        known = objects.stat(bucket, each.key)
        assert known is not None
        assert known.etag == each.etag


@pytest.mark.parametrize("key", ["plain.jpg", "sp ace/ü%2F?#.jpg"])
def test_a_url_leads_to_the_object(
    objects: MinioObjects | DirectoryObjects, world: World, tenant: str, key: str
) -> None:
    """A signed one can be fetched without credentials; a plain one is the same without the signature."""
    stored = objects.upload(world.parts.bucket, f"{tenant}/{key}", b"picture", content_type="image/jpeg")

    signed = objects.url(world.parts.bucket, stored.key, expires_s=60)
    plain = objects.url(world.parts.bucket, stored.key, expires_s=None)

    with urllib.request.urlopen(signed) as answer:  # noqa: S310 - http or file, as just made
        assert answer.read() == b"picture"
    assert signed.partition("?")[0] == plain


def put_image(objects: MinioObjects, bucket: str, tenant: str, current: Current | None = None) -> Manifest:
    """Store an image as the worker does."""
    key = variant_key(render_prefix(tenant, "1", 0, SHA, PRINT), "small", SHA, "webp")
    objects.put(bucket, key, b"picture", content_type="image/webp")
    variants = (Variant("small", bucket, key, "image/webp", 320, 240, 7, SHA),)
    facts = SourceFacts("jpeg", 640, 480, 1, has_alpha=False, colour_space="srgb")
    manifest = Manifest(SHA, "web", PRINT, 5, variants, facts, b"hash", "#aabbcc")
    name = manifest_key(tenant, "1", 0, SHA, PRINT)
    objects.put(bucket, name, write_manifest(manifest), content_type="application/json")
    pointer = current or Current(5, 0, name, SHA, "web", PRINT)
    objects.put(bucket, current_key(tenant, "1"), write_current(pointer), content_type="application/json")
    return manifest


def test_an_image_is_looked_up_with_its_urls(world: World, tenant: str) -> None:
    """The newest manifest, and a URL for each variant that anybody can fetch while it is valid."""
    manifest = put_image(world.objects, world.parts.bucket, tenant)

    image = get_image(world.parts, tenant, "1", expires_s=60)

    assert image is not None
    assert (image.manifest, image.hlc, image.deleted) == (manifest, 5, False)
    with urllib.request.urlopen(image.urls["small"]) as answer:  # noqa: S310 - http, as just made
        assert answer.read() == b"picture"


def test_a_deleted_image_and_an_unknown_one_are_told_apart(world: World, tenant: str) -> None:
    """Deleted: there is news, but no manifest. Unknown: there is nothing."""
    put_image(world.objects, world.parts.bucket, tenant, Current(9, 0, None))

    image = get_image(world.parts, tenant, "1")

    assert image is not None
    assert (image.deleted, image.hlc, image.urls) == (True, 9, {})
    assert get_image(world.parts, tenant, "2") is None
