"""Deletes against uploads: whoever is late, nothing deleted stays announced and nothing newer is harmed."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from processors.manifest import Current
from schemas.errors import Reason
from schemas.events import ImageDeleted, ImageFailed, ImageReady, ImageRemoved, ImageUploaded, Input, Output
from schemas.ids import life_of, output_event_id, tombstone_hlc, tombstone_key
from tests.handler.world import HLC, WatchedStore, World, cause_of

if TYPE_CHECKING:
    from collections.abc import Callable

Answers = dict[UUID, tuple[Input, Output]]
"""What was handled, and what was said last, by event id."""

MOST_REQUESTS = 40
"""More than any handling here takes; a run ends at the first number that is never reached."""


def handle(world: World, event: Input) -> Output:
    """Handle an event on this world."""
    return world.handler()(event, cause_of(event))


def answers(*pairs: tuple[Input, Output]) -> Answers:
    """Return what was said last about each event."""
    return {event.event_id: (event, output) for event, output in pairs}


def check_settled(world: World, said: Answers) -> None:
    """Hold every invariant that must be true once all of these were handled, each at least once and in any order."""
    deletes = [event.hlc for event, _ in said.values() if isinstance(event, ImageDeleted)]
    newest_delete = max(deletes, default=0)
    assert {tombstone_hlc(key) for key in world.objects()} - {None} == set(deletes)
    for event, output in said.values():
        if isinstance(event, ImageDeleted):
            assert isinstance(output, ImageRemoved), output
        elif event.hlc >= newest_delete:
            assert isinstance(output, ImageReady), output
            assert all(world.is_whole(variant) for variant in output.variants), "a newer upload was harmed"
        elif isinstance(output, ImageReady):
            again = {
                variant.sha256
                for newer, ready in said.values()
                if isinstance(ready, ImageReady) and newer.hlc >= newest_delete
                for variant in ready.variants
            }
            left = [each for each in output.variants if each.sha256 not in again and world.is_whole(each)]
            assert not left, "announced before the delete, and not removed by it"
        else:
            assert isinstance(output, ImageFailed)
            assert output.reason is Reason.IMAGE_DELETED
    check_pointer(world, [event for event, _ in said.values()])


def check_pointer(world: World, events: list[Input]) -> None:
    """Hold the pointer to the newest news, and what it points to to be there."""
    newest = max(events, key=lambda event: (event.hlc, isinstance(event, ImageUploaded)))
    current = world.current()
    assert current is not None
    assert current.hlc == newest.hlc
    assert (current.manifest is None) == isinstance(newest, ImageDeleted)
    assert current.manifest is None or current.manifest in world.objects()


def test_a_delete_removes_what_was_made_and_says_so(make_world: Callable[[], World]) -> None:
    """Variants and manifest go, the tombstone comes, the pointer says deleted, the announcement counts."""
    world = make_world()
    ready, delete = handle(world, world.uploaded()), world.deleted()
    assert isinstance(ready, ImageReady)
    output = handle(world, delete)
    assert isinstance(output, ImageRemoved)
    assert (output.removed_objects, output.hlc, output.reason) == (3, delete.hlc, "asked for")
    assert output.event_id == output_event_id(delete.event_id, "removed")
    assert sorted(world.objects()) == [
        "acme/cat%207/current.json",
        tombstone_key("acme", "cat 7", delete.hlc),
    ]
    assert world.current() == Current(delete.hlc, delete.hlc, None)


def test_a_delete_of_what_never_was_leaves_a_tombstone(world: World) -> None:
    """The upload may still be under way on another lane."""
    output = handle(world, world.deleted())
    assert isinstance(output, ImageRemoved)
    assert output.removed_objects == 0
    upload = handle(world, world.uploaded())
    assert isinstance(upload, ImageFailed)
    assert upload.reason is Reason.IMAGE_DELETED


def test_an_upload_older_than_a_tombstone_costs_one_request(world: World) -> None:
    """image_deleted at once: nothing is fetched, rendered or written."""
    handle(world, world.deleted())
    event = world.uploaded()
    watched = WatchedStore(world.store)
    world.handler(watched)(event, cause_of(event))
    assert watched.requests == ["list"]
    assert world.renderer.inspected == 0


def test_an_upload_after_a_delete_begins_a_life_of_its_own(world: World) -> None:
    """Its keys carry the tombstone's hlc, so that the late deleter's removals cannot meet them."""
    delete = world.deleted()
    first = world.uploaded()
    handle(world, first)
    handle(world, delete)
    later = world.uploaded(hlc=delete.hlc + 1)
    output = handle(world, later)
    assert isinstance(output, ImageReady)
    assert {life_of(variant.key) for variant in output.variants} == {delete.hlc}
    handle(world, delete)
    check_settled(world, answers((later, output), (delete, handle(world, delete))))


def test_a_delete_that_was_overtaken_spares_the_newer_upload(world: World) -> None:
    """Uploaded after the delete, but handled before it on another lane: it stays as it was announced."""
    older, newer = world.uploaded(b"older"), world.uploaded(b"newer", hlc=HLC + 20)
    gone, stays = handle(world, older), handle(world, newer)
    removed = handle(world, world.deleted(hlc=HLC + 10))
    assert isinstance(removed, ImageRemoved)
    assert removed.removed_objects == 3
    assert isinstance(gone, ImageReady)
    assert not any(world.is_whole(variant) for variant in gone.variants)
    check_settled(world, answers((newer, stays), (world.deleted(hlc=HLC + 10), removed)))


def test_the_same_bytes_uploaded_again_after_the_delete_are_spared(world: World) -> None:
    """Two uploads share a manifest; the newer one keeps it from the delete between them."""
    older, newer = world.uploaded(), world.uploaded(hlc=HLC + 20)
    pairs = [(event, handle(world, event)) for event in (older, newer, world.deleted(hlc=HLC + 10))]
    check_settled(world, answers(*pairs))


def test_a_zombie_cannot_take_a_manifest_back_to_its_older_hlc(world: World) -> None:
    """An older upload of the same bytes, stalled before its manifest, finds the newer one's and leaves it."""
    older, newer = world.uploaded(), world.uploaded(hlc=HLC + 20)
    said: list[tuple[Input, Output]] = []

    def overtake(number: int) -> None:
        if watched.requests[number - 1] == "replace" and not said:
            said.append((newer, handle(world, newer)))

    watched = WatchedStore(world.store, before=overtake)
    last = world.handler(watched)(older, cause_of(older))
    assert said
    delete = world.deleted(hlc=HLC + 10)
    check_settled(world, answers(*said, (older, last), (delete, handle(world, delete))))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("tombstone", [HLC - 10, HLC, HLC + 10])
@pytest.mark.parametrize("start", ["nothing", "done", "same bytes", "deleted"])
def test_a_delete_at_any_request_of_an_upload(
    on_directory: Callable[[], World], start: str, tombstone: int, when: str
) -> None:
    """A whole delete between any two requests of an upload: whatever was there before, the outcome is right."""
    struggle(on_directory, start, tombstone, when)


@pytest.mark.parametrize("tombstone", [HLC - 10, HLC + 10])
def test_a_delete_at_any_request_of_an_upload_on_minio(on_minio: Callable[[], World], tombstone: int) -> None:
    """The same on the real store, for the start in which most can go wrong."""
    struggle(on_minio, "same bytes", tombstone, "after")


def struggle(make_world: Callable[[], World], start: str, tombstone: int, when: str) -> None:
    """Run an upload once for each of its requests, with a whole delete before or after that one."""
    for number in range(1, MOST_REQUESTS):
        world = make_world()
        upload, delete = world.uploaded(), world.deleted(hlc=tombstone)
        said = prepared(world, start)

        def strike(at: int, *, world: World = world, number: int = number) -> None:
            if at == number:
                said.update(answers((delete, handle(world, delete))))  # noqa: B023 - called before the loop goes on

        watched = WatchedStore(world.store)
        setattr(watched, when, strike)
        said.update(answers((upload, world.handler(watched)(upload, cause_of(upload)))))
        if delete.event_id not in said:
            assert number > len(watched.requests)
            break
        check_settled(world, said)
        check_settled(world, said | answers((upload, handle(world, upload))))
    else:
        pytest.fail("the handling never ended")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("hlc", [HLC - 10, HLC, HLC + 10])
@pytest.mark.parametrize("start", ["nothing", "done", "same bytes", "deleted"])
def test_an_upload_at_any_request_of_a_delete(world: World, start: str, hlc: int, when: str) -> None:
    """The other way round: a whole upload between any two requests of a delete."""
    for number in range(1, MOST_REQUESTS):
        fresh = World(world.store, bucket=f"variants-{number}")
        upload, delete = fresh.uploaded(hlc=hlc), fresh.deleted(hlc=HLC)
        said = prepared(fresh, start)

        def strike(at: int, *, fresh: World = fresh, number: int = number) -> None:
            if at == number:
                said.update(answers((upload, handle(fresh, upload))))  # noqa: B023 - called before the loop goes on

        watched = WatchedStore(fresh.store)
        setattr(watched, when, strike)
        said.update(answers((delete, fresh.handler(watched)(delete, cause_of(delete)))))
        if upload.event_id not in said:
            assert number > len(watched.requests)
            break
        check_settled(fresh, said)
    else:
        pytest.fail("the handling never ended")


def prepared(world: World, start: str) -> Answers:
    """Bring the world to where the struggle begins; return what was announced on the way."""
    before: dict[str, list[Input]] = {
        "nothing": [],
        "done": [world.uploaded(b"another picture", hlc=HLC - 100)],
        "same bytes": [world.uploaded(hlc=HLC - 100)],
        "deleted": [world.uploaded(hlc=HLC - 100), world.deleted(hlc=HLC - 50)],
    }
    return answers(*((event, handle(world, event)) for event in before[start]))


@pytest.mark.parametrize("seed", range(150))
def test_any_schedule_of_uploads_and_deletes(world: World, seed: int) -> None:
    """Two to four handlings at once, switched at every request by the seed's coin: the outcome is right."""
    coin = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    events: list[Input] = []
    for number in range(coin.randint(2, 4)):
        hlc = HLC + coin.choice([0, 10, 20, 30])
        data = coin.choice([b"one", b"two"])
        events.append(world.deleted(hlc=hlc) if number == 0 or coin.random() < 0.3 else world.uploaded(data, hlc=hlc))
    check_settled(world, interleaved(world, events, coin))
    check_settled(world, answers(*((event, handle(world, event)) for event in events)))


def interleaved(world: World, events: list[Input], coin: random.Random) -> Answers:
    """Handle all events at once on threads of which only one runs, chosen anew at every request."""
    turns = [threading.Semaphore(0) for _ in events]
    stopped = threading.Semaphore(0)
    outputs: dict[int, Output | BaseException] = {}

    def run(number: int, event: Input) -> None:
        def wait(_: int) -> None:
            stopped.release()
            turns[number].acquire()

        try:
            wait(0)
            outputs[number] = world.handler(WatchedStore(world.store, before=wait))(event, cause_of(event))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            outputs[number] = error
        finally:
            stopped.release()

    for number, event in enumerate(events):
        threading.Thread(target=run, args=(number, event), daemon=True).start()
        assert stopped.acquire(timeout=10)
    while waiting := [number for number in range(len(events)) if number not in outputs]:
        turns[coin.choice(waiting)].release()
        assert stopped.acquire(timeout=10)
    pairs = [(event, outputs[number]) for number, event in enumerate(events)]
    assert not [output for _, output in pairs if isinstance(output, BaseException)], pairs
    return answers(*((event, output) for event, output in pairs if not isinstance(output, BaseException)))
