"""A worker that dies at any request, before it is done or before its answer arrives: the next one ends up the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schemas.events import ImageRemoved
from tests.handler.world import HLC, Crash, WatchedStore, World, cause_of, news

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.events import Input, Output

MOST_REQUESTS = 40


def crash_at(number: int) -> Callable[[int], None]:
    """Return a callback that ends the process at this request."""

    def crash(at: int) -> None:
        if at == number:
            raise Crash

    return crash


def told(output: Output) -> Output:
    """Return the news without how the work went: a removal that was repeated finds less to count."""
    return replace(output, removed_objects=0) if isinstance(output, ImageRemoved) else news(output)


def prepared(world: World, what: str) -> Input:
    """Return the event to be handled, on what it finds."""
    if what == "upload":
        return world.uploaded()
    if what == "unhashed upload":
        return world.uploaded(hashed=False)
    if what == "newer upload":
        before = world.uploaded(hlc=HLC - 5)
        world.handler()(before, cause_of(before))
        return world.uploaded()
    if what == "upload after delete":
        delete = world.deleted(hlc=HLC - 5)
        world.handler()(delete, cause_of(delete))
        return world.uploaded()
    for event in (world.uploaded(b"one"), world.uploaded(b"two", hlc=HLC + 50)):
        world.handler()(event, cause_of(event))
    return world.deleted()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["upload", "unhashed upload", "newer upload", "upload after delete", "delete"])
def test_a_crash_at_any_request_changes_nothing_in_the_end(
    make_world: Callable[[], World], what: str, when: str
) -> None:
    """Handled again after a crash, the same objects are in the store and the same event comes out."""
    whole = make_world()
    event = prepared(whole, what)
    watched = WatchedStore(whole.store)
    expected = whole.handler(watched)(event, cause_of(event))
    for number in range(1, len(watched.requests) + 1):
        world = make_world()
        # On MinIO every world has buckets of its own, which stand in the events.
        event = prepared(world, what)
        cut = WatchedStore(world.store)
        setattr(cut, when, crash_at(number))
        with pytest.raises(Crash):
            world.handler(cut)(event, cause_of(event))
        output = world.handler()(event, cause_of(event))
        assert renamed(told(output), world.bucket) == renamed(told(expected), whole.bucket)
        assert world.objects() == whole.objects()


def test_two_crashes_change_nothing_either(world: World) -> None:
    """Every pair of crashes, then a whole run."""
    event = world.uploaded()
    watched = WatchedStore(world.store)
    expected = told(world.handler(watched)(event, cause_of(event)))
    objects = world.objects()
    total = len(watched.requests)
    for first in range(1, total + 1):
        for second in range(1, total + 1):
            fresh = World(world.store, bucket=f"variants-{first}-{second}")
            for number in (first, second):
                try:
                    fresh.handler(WatchedStore(world.store, before=crash_at(number)))(event, cause_of(event))
                except Crash:
                    continue
            output = fresh.handler()(event, cause_of(event))
            assert renamed(told(output), fresh.bucket) == renamed(expected, world.bucket)
            assert fresh.objects() == objects


def test_a_second_run_elsewhere_yields_the_same_hashes(make_world: Callable[[], World], world: World) -> None:
    """Two stores, two workers: the same keys, and the same bytes behind them."""
    for each in (make_world(), other := make_world(), world):
        event = each.uploaded()
        each.handler()(event, cause_of(event))
        assert each.objects() == (world.objects() if each is world else other.objects() or each.objects())
    assert other.objects() == world.objects()


def renamed(output: Output, bucket: str) -> str:
    """Return the event as text in which the bucket has one name."""
    return repr(output).replace(repr(bucket), "'variants'")
