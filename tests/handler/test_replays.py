"""A replay against everything else: a delete, a new upload, a source that is gone, a recipe that nobody has.

The records are made by hand, as they stand on the replay topic: the upload's own value, with the replay's headers. The
worker's recipe has changed since the upload, so that a replay renders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processors.recipe import Recipe
from processors.records import RecordHandler
from schemas.codec import Codec
from schemas.errors import Reason, Waiting
from schemas.events import Attributes, ImageFailed, ImageReady
from schemas.headers import Replay, read_replay, replay_headers
from schemas.ids import output_event_id, record_key
from schemas.record import Record
from schemas.topics import Topics
from tests.handler.test_deletes import MOST_REQUESTS, answers, check_settled, handle
from tests.handler.world import HLC, RECIPES, WatchedStore, World, cause_of, spec
from tests.schemas.builders import registered_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processors.ports import Store
    from schemas.events import ImageUploaded, Output

TOPICS = Topics()
REPLAY = Replay("spring", "images.uploaded", 5, 1234, None)
CHANGED = {"web": Recipe("web", (spec("large", 1600), spec("small")))}


def replay(
    world: World, upload: ImageUploaded, store: Store | None = None, recipes: Mapping[str, Recipe] = CHANGED
) -> Output:
    """Handle the copy on the replay topic, with another recipe than the upload was made with."""
    codec = Codec(registered_source(TOPICS), TOPICS)
    handler = _handler(world, codec, store, recipes)
    (outgoing,) = handler(_record(upload, codec))
    assert read_replay(outgoing.headers) == REPLAY
    return codec.decode(outgoing.topic, outgoing.value)  # type: ignore[return-value]  # a worker's answers are outputs


def _handler(world: World, codec: Codec, store: Store | None, recipes: Mapping[str, Recipe]) -> RecordHandler:
    images = world.handler(store, recipes=recipes)
    return RecordHandler(
        codec,
        images,
        TOPICS,
        world.ticks,
        store=world.store,
        bucket=world.bucket,
        topic_id=lambda _: bytes(16),
    )


def _record(upload: ImageUploaded, codec: Codec) -> Record:
    key, value = record_key(upload.tenant, upload.image_id), codec.encode(TOPICS.uploaded.name, upload)
    return Record(TOPICS.replay.name, 3, 42, key, value, replay_headers(REPLAY), 0)


def variants_in(world: World) -> list[str]:
    """Return the keys of all variants."""
    return [key for key in world.objects() if key.endswith(".webp")]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_image_deleted_while_its_replay_renders_stays_deleted(on_minio: Callable[[], World], when: str) -> None:
    """Whichever request the delete comes beside: nothing is left, and the replay says image_deleted or came before."""
    for number in range(1, MOST_REQUESTS):
        world = on_minio()
        upload, delete = world.uploaded(), world.deleted()
        handle(world, upload)
        said = answers()

        def strike(at: int, *, world: World = world, number: int = number) -> None:
            if at == number:
                said.update(answers((delete, handle(world, delete))))  # noqa: B023 - called before the loop goes on

        watched = WatchedStore(world.store)
        setattr(watched, when, strike)
        last = replay(world, upload, watched)
        if delete.event_id not in said:
            assert number > len(watched.requests)
            break
        check_settled(world, said | answers((upload, last)))
        assert variants_in(world) == []
        assert last.cause.replay_id == "spring"
    else:
        pytest.fail("the handling never ended")


def test_an_image_uploaded_while_its_replay_renders_stays_the_newer(on_minio: Callable[[], World]) -> None:
    """Whichever request of the replay it comes beside; both are ready, and each event's objects are there."""
    for number in range(1, MOST_REQUESTS):
        world = on_minio()
        upload, newer = world.uploaded(), world.uploaded(b"another photograph", hlc=HLC + 20)
        handle(world, upload)
        said = answers()

        def strike(at: int, *, world: World = world, number: int = number) -> None:
            if at == number:
                output = world.handler(recipes=CHANGED)(newer, cause_of(newer))  # noqa: B023 - called before the loop goes on
                said.update(answers((newer, output)))  # noqa: B023 - likewise

        watched = WatchedStore(world.store)
        watched.after = strike
        last = replay(world, upload, watched)
        if not said:
            assert number > len(watched.requests)
            break
        check_settled(world, said | answers((upload, last)))
        assert last.hlc < newer.hlc, "a reader knows the older news by it"
    else:
        pytest.fail("the handling never ended")


@pytest.mark.parametrize("hashed", [True, False])
def test_a_source_that_is_gone_leaves_the_ready_image_as_it_was(on_minio: Callable[[], World], hashed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The replay fails under an id of its own; pointer, manifest and variants stay, byte for byte."""
    world = on_minio()
    upload = world.uploaded(hashed=hashed)
    ready = handle(world, upload)
    before = world.objects()
    world.store.remove(world.uploads, [upload.source.key])

    failed = replay(world, upload)

    assert isinstance(failed, ImageFailed)
    assert (failed.reason, failed.cause.replay_id) == (Reason.SOURCE_MISSING, "spring")
    assert failed.event_id == output_event_id(upload.event_id, "failed", "spring")
    assert failed.event_id != output_event_id(upload.event_id, "failed")
    assert world.objects() == before
    assert isinstance(ready, ImageReady)
    assert all(world.is_whole(variant) for variant in ready.variants)


def test_a_source_that_is_gone_is_not_missed_where_all_is_made(on_minio: Callable[[], World]) -> None:
    """A replay at the recipe that the image has needs no source: the manifest answers."""
    world = on_minio()
    upload = world.uploaded()
    handle(world, upload)
    world.store.remove(world.uploads, [upload.source.key])
    again = replay(world, upload, recipes=RECIPES)
    assert isinstance(again, ImageReady)
    assert again.deduplicated


def test_a_recipe_that_nobody_has_fails_the_replay_only(on_minio: Callable[[], World]) -> None:
    """It is waited for, and given up in the replay's name; the image stays as it was."""
    world = on_minio()
    upload = world.uploaded()
    handle(world, upload)
    before = world.objects()
    codec = Codec(registered_source(TOPICS), TOPICS)
    handler = _handler(world, codec, None, {"avatar": RECIPES["avatar"]})
    record = _record(upload, codec)

    with pytest.raises(Waiting) as caught:
        handler(record)
    (outgoing,) = handler.give_up(record, caught.value.reason, str(caught.value), 20)

    failed = codec.decode(outgoing.topic, outgoing.value)
    assert isinstance(failed, ImageFailed)
    assert (failed.reason, failed.cause.replay_id) == (Reason.UNKNOWN_RECIPE, "spring")
    assert read_replay(outgoing.headers) == REPLAY
    assert world.objects() == before


def test_a_replay_repeated_does_the_work_once(on_minio: Callable[[], World]) -> None:
    """The same copy twice, as after a crash: the same event id, and nothing is rendered again."""
    world = on_minio()
    upload = world.uploaded()
    handle(world, upload)
    first = replay(world, upload)
    rendered = world.renderer.rendered
    second = replay(world, upload)
    assert isinstance(first, ImageReady)
    assert isinstance(second, ImageReady)
    assert (first.event_id, first.variants) == (second.event_id, second.variants)
    assert world.renderer.rendered == rendered
    assert first.fingerprint != handle(world, upload).fingerprint  # type: ignore[union-attr]  # both are ready
    assert upload.attributes == Attributes()
