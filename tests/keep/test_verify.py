"""`darkroom verify`: every kind of damage is named, what is sound is not, and a delete beside it is no damage."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from processors.handler import ImageHandler
from processors.manifest import read_manifest, write_manifest
from processors.policy import AllowedSource, SourcePolicy
from schemas.events import Attributes, Cause, FocusPoint, ImageReady, ImageUploaded, Source
from schemas.ids import manifest_key, source_key
from streams.adapters.system_clock import SystemClock
from streams.compose.renderer import make_renderer
from streams.compose.services import load_recipes
from streams.compose.stores import make_policy, make_store
from streams.keep.sample import Choice, draw, manifests, prefix_of
from streams.keep.verify import Fault, Skipped, Verifier
from streams.settings import load
from tests.command import Darkroom, configuration
from tests.handler.world import HLC, NOON, RECIPES, WatchedStore, World, cause_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from processors.ports import Store
    from tests.support import Stack

IMAGES = 5
MOST_REQUESTS = 30


class Shelf:
    """An installation on the real store, rendered by the real renderer; its Kafka does not exist."""

    def __init__(self, stack: Stack, folder: Path, name: str) -> None:
        config = folder / "darkroom.toml"
        config.write_text(configuration(replace(stack, bootstrap="127.0.0.1:1"), name))
        self.darkroom = Darkroom(folder, config)
        self.settings = load(config).settings
        self.bucket, self.uploads = self.settings.store.bucket, self.settings.store.upload_bucket
        self.store = make_store(self.settings)
        for bucket in (self.bucket, self.uploads):
            self.store.make_bucket(bucket)

    def fill(self) -> list[ImageReady]:
        """Have a few images made, the last one by its focus point."""
        with make_renderer(self.settings) as renderer:
            renderer.start()
            handler = ImageHandler(
                self.store,
                renderer,
                load_recipes(self.settings),
                make_policy(self.settings),
                SystemClock(),
                bucket=self.bucket,
                max_source_bytes=10_000_000,
            )
            ready = []
            for number in range(IMAGES):
                event = self._uploaded(number)
                answer = handler(event, Cause("images.uploaded", 0, number, event.event_id))
                assert isinstance(answer, ImageReady), answer
                ready.append(answer)
        return ready

    def _uploaded(self, number: int) -> ImageUploaded:
        data, image_id = picture(number), f"cat-{number}"
        digest = sha256(data).hexdigest()
        key = source_key("acme", image_id, digest, "jpg")
        self.store.put(self.uploads, key, data, content_type="image/jpeg")
        last = number == IMAGES - 1
        return ImageUploaded(
            event_id=uuid4(),
            tenant="acme",
            image_id=image_id,
            source=Source(self.uploads, key, len(data), sha256=digest),
            recipe="avatar" if last else "web",
            uploaded_at=NOON,
            hlc=HLC,
            attributes=Attributes(focus=FocusPoint(0.9, 0.123456)) if last else Attributes(),
        )

    def verify(self, *options: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
        """Run the verb and return exit code, findings and the summary."""
        done = self.darkroom.run("verify", "--json", *options)
        assert done.stdout, done.stderr
        *findings, summary = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, findings, summary


def picture(number: int) -> bytes:
    """Return a small JPEG."""
    image = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    image.paste((number * 37 % 256, 200, number), (8, 8, 160, 50))
    data = io.BytesIO()
    image.save(data, "JPEG")
    return data.getvalue()


def put(store: Store, bucket: str, key: str, data: bytes) -> None:
    """Overwrite an object as nobody should."""
    store.put(bucket, key, data, content_type="application/octet-stream")


def key_of(ready: ImageReady) -> str:
    """Return the key of the manifest."""
    return manifest_key(ready.tenant, ready.image_id, 0, ready.source_sha256, ready.fingerprint)


@pytest.fixture
def shelf(stack: Stack, tmp_path: Path, unique: Callable[[str], str]) -> Shelf:
    """Return an empty installation."""
    return Shelf(stack, tmp_path, unique("shelf"))


def test_every_damage_is_named_and_what_is_sound_is_not(shelf: Shelf) -> None:
    """Sound: exit code 0, all rendered again. Then one of each kind: exit code 1 and each under its own name."""
    ready = shelf.fill()
    code, findings, summary = shelf.verify("--fraction", "1")
    assert (code, findings) == (0, [])
    assert (summary["of"], summary["checked"], summary["rendered"]) == (IMAGES, IMAGES, IMAGES)

    gone, rotten, drifted, unread, focused = ready
    shelf.store.remove(shelf.bucket, [gone.variants[0].key])
    key = rotten.variants[1].key
    blob = shelf.store.fetch(shelf.bucket, key, limit=1 << 24)
    assert blob is not None
    put(shelf.store, shelf.bucket, key, blob.data[:-1] + bytes([blob.data[-1] ^ 1]))
    drift(shelf, drifted)
    put(shelf.store, shelf.bucket, key_of(unread), b"{}")
    original = source_key("acme", focused.image_id, focused.source_sha256, "jpg")
    put(shelf.store, shelf.uploads, original, b"other bytes")

    code, findings, summary = shelf.verify("--fraction", "1")
    assert code == 1
    assert sorted((each["fault"], each["object"]) for each in findings) == sorted([
        ("missing", gone.variants[0].key),
        ("corrupt", key),
        ("drift", drifted.variants[0].key),
        ("unreadable", key_of(unread)),
        ("corrupt", f"{shelf.uploads}/{original}"),
    ])  # fmt: skip
    assert (summary["rendered"], sum(summary["faults"].values())) == (3, 5)


def drift(shelf: Shelf, ready: ImageReady) -> None:
    """Let manifest and object agree on bytes that this engine would not make."""
    key = key_of(ready)
    blob = shelf.store.fetch(shelf.bucket, key, limit=1 << 24)
    manifest = None if blob is None else read_manifest(blob.data, shelf.bucket, key.rpartition("/")[0] + "/")
    assert manifest is not None
    first, *rest = manifest.variants
    other = b"made by another engine"
    changed = replace(first, bytes=len(other), sha256=sha256(other).hexdigest())
    put(shelf.store, shelf.bucket, first.key, other)
    put(shelf.store, shelf.bucket, key, write_manifest(replace(manifest, variants=(changed, *rest))))


def test_what_cannot_be_asked_for_is_said(shelf: Shelf) -> None:
    """A prefix of nobody's images, an empty bucket, a store that is not there: a line each, and its exit code."""
    run = shelf.darkroom.run
    prefixed = run("verify", "--prefix", "summer")
    assert (prefixed.returncode, "--tenant" in prefixed.stderr) == (2, True)
    empty = run("verify", "--tenant", "nobody")
    assert (empty.returncode, "nothing to verify" in empty.stderr) == (1, True)
    away = run("verify", env={"DARKROOM_STORE__ENDPOINT": "127.0.0.1:1"})
    assert (away.returncode, "store.endpoint" in away.stderr) == (3, True)


def verifier(world: World, store: Store | None = None, **others: Any) -> Verifier:  # noqa: ANN401 - any of its parts
    """Return a verifier of the handler's small world."""
    policy = SourcePolicy((AllowedSource(world.uploads),))
    made = Verifier(store or world.store, world.renderer, RECIPES, policy, world.bucket, world.uploads, 1_000_000)
    return replace(made, **others)


def test_a_delete_at_any_request_is_no_damage(on_minio: Callable[[], World]) -> None:
    """Whichever of the verifier's requests it comes before: no finding, on the real store."""
    for number in range(1, MOST_REQUESTS):
        world = on_minio()
        upload, delete = prepared(world)
        (key,) = manifests(world.objects())
        struck = []

        def strike(at: int, *, world: World = world, number: int = number) -> None:
            if at == number:
                struck.append(world.handler()(delete, cause_of(delete)))  # noqa: B023 - called before the loop goes on

        watched = WatchedStore(world.store, before=strike)
        assert verifier(world, watched).check(key).findings == (), (number, upload.image_id)
        if not struck:
            assert number > len(watched.requests)
            break
    else:
        pytest.fail("the check never ended")


def prepared(world: World) -> Iterator[Any]:
    """Yield an upload that was handled, and a delete to come."""
    upload = world.uploaded()
    world.handler()(upload, cause_of(upload))
    yield from (upload, world.deleted())


def test_what_cannot_be_rendered_again_is_counted_and_its_objects_are_checked(world: World) -> None:
    """A retired recipe, a lost original, a place that is not allowed any more; and the objects still count."""
    upload, _ = prepared(world)
    (key,) = manifests(world.objects())
    assert verifier(world, recipes={}).check(key).skipped is Skipped.NO_RECIPE
    assert verifier(world, policy=SourcePolicy(())).check(key).skipped is Skipped.NOT_ALLOWED
    world.store.remove(world.uploads, [upload.source.key])
    assert verifier(world).check(key).skipped is Skipped.ORIGINAL_GONE
    world.store.remove(world.bucket, [each for each in world.objects() if each.endswith(".webp")])
    assert {each.fault for each in verifier(world).check(key).findings} == {Fault.MISSING}


def test_a_manifest_of_an_older_release_is_rendered_from_where_publishers_put_it(world: World) -> None:
    """It does not name its original; the key of a published one can be told from the hash."""
    upload, _ = prepared(world)
    (key,) = manifests(world.objects())
    old = {name: value for name, value in json.loads(world.bytes_of(key)).items() if name not in {"origin", "focus"}}
    put(world.store, world.bucket, key, json.dumps(old).encode())
    checked = verifier(world).check(key)
    assert (checked.findings, checked.skipped) == ((), None)
    world.store.remove(world.uploads, [upload.source.key])
    assert verifier(world).check(key).skipped is Skipped.NO_ORIGIN


KEYS = st.lists(st.integers(0, 10_000), unique=True, max_size=300).map(
    lambda numbers: [f"acme/{number}/{0:020d}/{number:016x}/{0:016x}/manifest.json" for number in numbers]
)


@given(KEYS, st.text(max_size=5), st.integers(1, 50))
def test_a_seed_repeats_its_sample(keys: list[str], seed: str, count: int) -> None:
    """Whatever the order of the listing; never more than there is, and a larger sample contains a smaller one."""
    taken = draw(keys, Choice(seed, count))
    assert taken == draw(reversed(keys), Choice(seed, count))
    assert len(taken) == min(count, len(keys))
    assert set(taken) <= set(draw(keys, Choice(seed, count + 5)))
    assert draw(keys, Choice(seed, fraction=1.0)) == sorted(keys)
    assert draw(keys, Choice(seed, fraction=0.0)) == []


def test_another_seed_takes_others_and_a_prefix_is_encoded() -> None:
    """Over a thousand keys two samples of ten are not the same; a tenant's prefix lets no neighbour in."""
    keys = [f"acme/{number}/{0:020d}/{number:016x}/{0:016x}/manifest.json" for number in range(1000)]
    assert draw(keys, Choice("a", 10)) != draw(keys, Choice("b", 10))
    assert 300 < len(draw(keys, Choice("a", fraction=0.4))) < 500
    assert prefix_of("acme", "") == "acme/"
    assert prefix_of("a b", "été/") == "a%20b/%C3%A9t%C3%A9%2F"
    assert prefix_of(None, "") == ""
