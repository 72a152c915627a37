"""What the handler does with an upload, and with how many requests."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from processors.manifest import Current
from schemas.errors import Reason, Unavailable, Waiting
from schemas.events import Attributes, FocusPoint, ImageFailed, ImageReady, SourceFacts, Timings
from schemas.ids import current_key, manifest_key, output_event_id
from tests.handler.world import (
    HLC,
    PHOTO,
    Ticks,
    TinyRenderer,
    WatchedStore,
    World,
    cause_of,
    news,
    web_fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.events import ImageUploaded


def answer(world: World, event: ImageUploaded) -> ImageReady:
    """Handle an event that must succeed."""
    output = world.handler()(event, cause_of(event))
    assert isinstance(output, ImageReady), output
    return output


def failure(world: World, event: ImageUploaded) -> ImageFailed:
    """Handle an event that must fail."""
    output = world.handler()(event, cause_of(event))
    assert isinstance(output, ImageFailed), output
    return output


def test_an_upload_becomes_variants_manifest_pointer_and_news(make_world: Callable[[], World]) -> None:
    """Every variant is in the store with the bytes announced, the manifest names them, the pointer the manifest."""
    world = make_world()
    event = world.uploaded()
    output = answer(world, event)
    assert [variant.name for variant in output.variants] == ["large", "small"]
    assert all(world.is_whole(variant) for variant in output.variants)
    key = manifest_key("acme", "cat 7", 0, sha256(PHOTO).hexdigest(), web_fingerprint())
    manifest = json.loads(world.bytes_of(key))
    assert {name: each["key"] for name, each in manifest["variants"].items()} == {
        variant.name: variant.key for variant in output.variants
    }
    assert world.current() == Current(HLC, 0, key, output.source_sha256, "web", web_fingerprint())
    assert output.event_id == output_event_id(event.event_id, "ready")
    assert output.source == SourceFacts("jpeg", 4000, 3000, 1, has_alpha=False, colour_space="srgb")
    assert (output.hlc, output.uploaded_at, output.cause) == (event.hlc, event.uploaded_at, cause_of(event))
    assert not output.deduplicated


def test_keys_are_those_of_the_design(world: World) -> None:
    """Tenant, image, life, source, fingerprint, then name, hash and extension; ids encoded."""
    event = world.uploaded()
    variant = answer(world, event).variants[0]
    source = sha256(PHOTO).hexdigest()[:16]
    folder = f"acme/cat%207/{0:020d}/{source}/{web_fingerprint()}"
    assert variant.key == f"{folder}/large.{variant.sha256[:12]}.webp"


@pytest.mark.parametrize(
    ("hashed", "requests"),
    [
        (True, "list fetch fetch put put replace replace list"),
        (False, "list fetch fetch put put replace replace list"),
    ],
)
def test_rendering_takes_few_requests(world: World, *, hashed: bool, requests: str) -> None:
    """Tombstones, manifest and source (in this order if the hash is known), variants, manifest, pointer, tombstones."""
    watched = WatchedStore(world.store)
    event = world.uploaded(hashed=hashed)
    world.handler(watched)(event, cause_of(event))
    assert " ".join(watched.requests) == requests


def test_what_is_done_is_answered_from_the_manifest(world: World) -> None:
    """A repetition fetches no source and renders nothing: four requests, the same news."""
    event = world.uploaded()
    first = answer(world, event)
    world.store.remove(world.uploads, [event.source.key])
    watched = WatchedStore(world.store)
    again = world.handler(watched)(event, cause_of(event))
    assert " ".join(watched.requests) == "list fetch fetch list"
    assert isinstance(again, ImageReady)
    assert again.deduplicated
    assert news(again) == news(first)
    assert world.renderer.rendered == 1


def test_a_newer_upload_of_the_same_bytes_renders_nothing(world: World) -> None:
    """The manifest takes over the newer hlc, the pointer moves, the variants stay."""
    first = answer(world, world.uploaded())
    later = world.uploaded(hlc=HLC + 5)
    watched = WatchedStore(world.store)
    again = world.handler(watched)(later, cause_of(later))
    assert " ".join(watched.requests) == "list fetch replace fetch replace list"
    assert isinstance(again, ImageReady)
    assert again.variants == first.variants
    assert again.hlc == HLC + 5
    current = world.current()
    assert current is not None
    assert current.hlc == HLC + 5
    assert world.renderer.rendered == 1


def test_the_pointer_follows_the_newest_upload_whatever_the_order(world: World) -> None:
    """An older upload, handled later, is announced but does not turn the pointer back."""
    newer, older = world.uploaded(b"new", hlc=HLC + 5), world.uploaded(b"old")
    answer(world, newer)
    answer(world, older)
    current = world.current()
    assert current is not None
    assert (current.hlc, current.source_sha256) == (HLC + 5, sha256(b"new").hexdigest())


def test_a_crash_before_the_pointer_is_healed_by_the_repetition(world: World) -> None:
    """The manifest is there, the pointer is not: the repetition writes it."""
    event = world.uploaded()
    answer(world, event)
    world.store.remove(world.bucket, [current_key("acme", "cat 7")])
    answer(world, event)
    assert world.current() is not None


def test_two_recipes_do_not_meet(world: World) -> None:
    """Each recipe has a manifest of its own."""
    web, avatar = answer(world, world.uploaded()), answer(world, world.uploaded(recipe="avatar"))
    assert web.fingerprint != avatar.fingerprint
    assert [variant.name for variant in avatar.variants] == ["face"]
    assert all(world.is_whole(variant) for variant in (*web.variants, *avatar.variants))


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"null", b'{"variants": {}}', b"\xff\xfe", b"[" * 5000])
def test_a_corrupt_manifest_counts_as_absent(world: World, junk: bytes) -> None:
    """It is made again, and replaced."""
    event = world.uploaded()
    first = answer(world, event)
    key = manifest_key("acme", "cat 7", 0, first.source_sha256, first.fingerprint)
    whole = world.bytes_of(key)
    world.store.put(world.bucket, key, junk, content_type="application/json")
    again = answer(world, event)
    assert not again.deduplicated
    assert news(again) == news(first)
    assert world.bytes_of(key) == whole


def test_a_manifest_cannot_point_outside_its_folder(world: World) -> None:
    """One that names another image's objects is not believed."""
    event = world.uploaded()
    first = answer(world, event)
    key = manifest_key("acme", "cat 7", 0, first.source_sha256, first.fingerprint)
    forged = world.bytes_of(key).replace(b'"key": "acme/', b'"key": "other/')
    world.store.put(world.bucket, key, forged, content_type="application/json")
    assert all(variant.key.startswith("acme/") for variant in answer(world, event).variants)


def test_unknown_fields_in_a_manifest_are_left_aside(world: World) -> None:
    """A newer release's manifest is read."""
    event = world.uploaded()
    first = answer(world, event)
    key = manifest_key("acme", "cat 7", 0, first.source_sha256, first.fingerprint)
    plain = json.loads(world.bytes_of(key))
    plain["blurhash"] = "LEHV6nWB2yk8"
    plain["variants"]["large"]["ssim"] = 0.99
    world.store.put(world.bucket, key, json.dumps(plain).encode(), content_type="application/json")
    assert news(answer(world, event)) == news(first)
    assert world.renderer.rendered == 1


def test_a_source_that_is_not_there_fails(world: World) -> None:
    """source_missing, without a try at rendering."""
    event = world.uploaded()
    world.store.remove(world.uploads, [event.source.key])
    output = failure(world, event)
    assert output.reason is Reason.SOURCE_MISSING
    assert output.event_id == output_event_id(event.event_id, "failed")
    assert world.renderer.inspected == 0


@pytest.mark.parametrize("what", ["size", "etag", "sha256"])
@pytest.mark.parametrize("hashed", [True, False])
def test_a_source_that_changed_fails(world: World, what: str, *, hashed: bool) -> None:
    """Bytes that are not those announced are not rendered."""
    event = world.uploaded(hashed=hashed)
    wrong = {
        "size": replace(event.source, size=1),
        "etag": replace(event.source, etag="0" * 32),
        "sha256": replace(event.source, sha256="0" * 64),
    }
    output = failure(world, replace(event, source=wrong[what]))
    assert output.reason is Reason.SOURCE_CHANGED
    assert what in output.detail
    assert world.renderer.inspected == 0


def test_a_source_with_the_right_etag_is_taken(make_world: Callable[[], World]) -> None:
    """With or without the quotes that HTTP puts around it."""
    world = make_world()
    event = world.uploaded()
    blob = world.store.fetch(world.uploads, event.source.key, limit=1000)
    assert blob is not None
    for etag in (blob.etag, f'"{blob.etag}"', ""):
        answer(world, replace(event, source=replace(event.source, etag=etag)))


def test_too_large_a_source_is_not_even_asked_for(world: World) -> None:
    """Announced as too large it costs no fetch; too large behind a small announcement it is not read."""
    watched = WatchedStore(world.store)
    event = world.uploaded(b"x" * 1_000_001)
    output = world.handler(watched)(event, cause_of(event))
    assert isinstance(output, ImageFailed)
    assert output.reason is Reason.TOO_LARGE
    assert " ".join(watched.requests) == "list fetch"
    small = replace(event, source=replace(event.source, size=10))
    assert failure(world, small).reason is Reason.TOO_LARGE


def test_a_renderer_s_refusal_is_the_reason(world: World) -> None:
    """What the renderer says of the source stands in the failed event; nothing was stored."""
    output = failure(world, world.uploaded(b"broken jpeg"))
    assert (output.reason, output.attempts, output.recipe, output.hlc) == (Reason.TRUNCATED, 1, "web", HLC)
    assert world.objects() == {}


def test_another_tenant_s_source_is_refused_without_a_request(world: World) -> None:
    """source_not_allowed; the store hears nothing."""
    watched = WatchedStore(world.store)
    event = world.uploaded()
    elsewhere = replace(event, source=replace(event.source, key="other/cat.jpg"))
    output = world.handler(watched)(elsewhere, cause_of(elsewhere))
    assert isinstance(output, ImageFailed)
    assert output.reason is Reason.SOURCE_NOT_ALLOWED
    assert watched.requests == []


def test_an_unknown_recipe_is_waited_for(world: World) -> None:
    """A newer worker may have it: transient, with the reason to give up with, and without a request."""
    watched = WatchedStore(world.store)
    event = world.uploaded(recipe="poster")
    with pytest.raises(Waiting, match="poster") as caught:
        world.handler(watched)(event, cause_of(event))
    assert caught.value.reason is Reason.UNKNOWN_RECIPE
    assert watched.requests == []


def test_a_replay_waits_for_its_fingerprint(world: World) -> None:
    """A worker that yields another one does not answer; one that yields it does, under an id of the replay's own."""
    event = world.uploaded()
    with pytest.raises(Waiting, match="0000000000000000"):
        world.handler()(event, cause_of(event, "spring"), "0" * 16)
    output = world.handler()(event, cause_of(event, "spring"), web_fingerprint())
    assert isinstance(output, ImageReady)
    assert output.event_id == output_event_id(event.event_id, "ready", "spring")


def test_attributes_that_a_recipe_does_not_read_change_nothing(world: World) -> None:
    """A focus point matters only where something is cropped around it."""
    event = world.uploaded()
    first = answer(world, event)
    focused = replace(event, attributes=Attributes(FocusPoint(0.1, 0.9), "a cat"))
    assert answer(world, focused).variants == first.variants
    assert world.renderer.rendered == 1


def test_timings_are_measured_by_the_clock_passed_in(world: World) -> None:
    """Milliseconds of each step; nothing for what was not done."""
    ticks = Ticks()
    event = world.uploaded()
    handler = world.handler(clock=ticks, renderer=TinyRenderer(ticks))
    first, again = handler(event, cause_of(event)), handler(event, cause_of(event))
    assert isinstance(first, ImageReady)
    assert isinstance(again, ImageReady)
    assert (first.timings.fetch_ms, first.timings.put_ms) == (0.0, 0.0)
    assert (first.timings.inspect_ms, first.timings.render_ms) == pytest.approx((2.0, 200.0))
    assert again.timings == Timings()


def test_a_store_that_is_down_is_no_failure(world: World) -> None:
    """At whatever request: the error goes to the engine, no failed event is made."""

    def down(_: int) -> None:
        raise Unavailable("store", "down")

    event = world.uploaded()
    with pytest.raises(Unavailable):
        world.handler(WatchedStore(world.store, before=down))(event, cause_of(event))


def test_variants_may_be_cached_for_ever(world: World) -> None:
    """Cache-Control is immutable on variants; documents that change carry none."""
    seen: dict[str, str] = {}

    class Noting(WatchedStore):
        def put(self, bucket: str, key: str, data: bytes, *, content_type: str, cache_control: str = "") -> None:
            seen[key] = cache_control
            super().put(bucket, key, data, content_type=content_type, cache_control=cache_control)

    event = world.uploaded()
    output = world.handler(Noting(world.store))(event, cause_of(event))
    assert isinstance(output, ImageReady)
    assert seen == {variant.key: "public, max-age=31536000, immutable" for variant in output.variants}
