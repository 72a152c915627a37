"""The inbox between the polling thread and the handling one: what is handed out, and which positions move."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from schemas.record import Record, TopicPartition
from streams.client.feed import Feed, Membership
from streams.client.inbox import Inbox, Taken
from tests.client.world import QUICK_S, World, failed, ready
from tests.support import wait_until

if TYPE_CHECKING:
    from schemas.events import Event

HERE = TopicPartition("t", 0)
THERE = TopicPartition("t", 1)


def record(offset: int, partition: TopicPartition = HERE, value: bytes = b"") -> Record:
    """Return a record of a partition."""
    return Record(*partition, offset, None, value, (), 0)


def inbox_with(*records: Record) -> Inbox:
    """Return an inbox, full with 100 records or 1000 bytes, that holds both partitions and these records."""
    inbox = Inbox(high_records=100, high_bytes=1000)
    inbox.assigned([HERE, THERE])
    inbox.put(records)
    return inbox


def take(inbox: Inbox) -> Taken:
    """Take the next record, which must be there."""
    taken = inbox.take(0)
    assert taken is not None
    return taken


def test_a_position_moves_when_its_record_is_finished() -> None:
    """Not when it is put or taken; and it is the next offset."""
    inbox = inbox_with(record(7), record(8))
    taken = take(inbox)
    assert inbox.to_commit() == {}

    assert inbox.finish(taken)

    assert inbox.to_commit() == {HERE: 8}
    assert inbox.to_commit() == {}


def test_what_was_not_committed_is_committed_later_unless_it_moved_on() -> None:
    """A failed commit never turns a position back."""
    inbox = inbox_with(record(1), record(2))
    inbox.finish(take(inbox))
    failed = inbox.to_commit()
    inbox.finish(take(inbox))

    inbox.not_committed(failed | {THERE: 5})

    assert inbox.to_commit() == {HERE: 3, THERE: 5}


def test_a_partition_that_was_taken_away_and_came_back_is_another() -> None:
    """A record of the earlier assignment cannot move the position of this one: others may have gone on since."""
    inbox = inbox_with(record(1))
    old = take(inbox)
    inbox.lost([HERE])
    inbox.assigned([HERE])

    assert not inbox.holds(old)
    assert not inbox.finish(old)
    assert inbox.to_commit() == {}


def test_letting_go_drops_what_waits_and_returns_what_is_to_be_committed() -> None:
    """Of the partitions that go, nothing is handed out any more; the others are not touched."""
    inbox = inbox_with(record(1), record(2), record(3, THERE))
    inbox.finish(take(inbox))

    assert inbox.revoking([HERE], patience=0) == {HERE: 2}

    assert take(inbox).home == THERE
    inbox.not_committed({HERE: 2})
    inbox.put([record(4)])
    assert inbox.take(0) is None
    assert inbox.to_commit() == {}


def test_letting_go_waits_for_what_is_in_hand() -> None:
    """A handler that is nearly done finishes, and its position goes with the others."""
    inbox = inbox_with(record(1))
    taken = take(inbox)
    finisher = threading.Timer(0.05, inbox.finish, [taken])
    finisher.start()

    assert inbox.revoking([HERE], patience=QUICK_S) == {HERE: 2}


def test_what_is_given_back_comes_first() -> None:
    """Unless its partition went meanwhile."""
    inbox = inbox_with(record(1), record(2))
    inbox.give_back(take(inbox))
    assert take(inbox).record.offset == 1

    taken = take(inbox)
    inbox.lost([HERE])
    inbox.give_back(taken)
    assert inbox.take(0) is None


def test_it_is_full_by_number_or_by_bytes_and_has_room_far_below() -> None:
    """Wide apart, because each pause throws away what was prefetched."""
    many = inbox_with(*(record(offset) for offset in range(100)))
    large = inbox_with(record(0, value=bytes(1000)))
    assert many.is_full()
    assert large.is_full()

    while len(many) > 25:
        assert not many.has_room()
        take(many)
    take(large)

    assert many.has_room()
    assert large.has_room()
    assert not large.is_full()


def test_an_error_is_raised_when_nothing_is_left() -> None:
    """What came before it is handed out first; the first error stays."""
    inbox = inbox_with(record(1))
    inbox.fail(KeyError("first"))
    inbox.fail(KeyError("second"))
    take(inbox)

    with pytest.raises(KeyError, match="first"):
        inbox.take(0)


def test_thousands_come_in_order_through_a_bounded_inbox(world: World, group: str, tenant: str) -> None:
    """On real Kafka: more than is held at once; pauses lose nothing, turn nothing round, and all is committed."""
    world.say(*(ready(tenant, "a", hlc=number) for number in range(1, 3001)))
    topic, inbox = world.parts.topics.ready.name, Inbox(high_records=500)
    feed = Feed(world.parts.kafka, Membership(group, [topic], "earliest"), inbox)
    wait_until(inbox.is_full, QUICK_S)
    most = 0
    seen: list[Event] = []
    while len(seen) < 3000:
        most = max(most, len(inbox))
        taken = inbox.take(QUICK_S)
        assert taken is not None
        inbox.finish(taken)
        seen.append(world.parts.codec.decode(topic, taken.record.value))
    feed.close()

    assert [event.hlc for event in seen] == list(range(1, 3001))
    assert most <= 750
    assert sum(world.committed(group).values()) == 3000


def test_events_that_expired_unread_are_passed(world: World, group: str, tenant: str) -> None:
    """A group that slept for longer than the topic remembers goes on at the first event that is left."""
    topic = world.parts.topics.failed.name
    with world.subscriber(group, topics=["failed"], start="earliest"):
        pass
    world.say(*(failed(tenant, "a", hlc=number) for number in range(5)))
    home = world.records(topic)[0].partition
    world.expire(topic, home, before=3)

    with world.subscriber(group, topics=["failed"]) as subscriber:
        message = subscriber.poll(QUICK_S)

    assert message is not None
    assert (message.record.partition, message.record.offset) == (home, 3)
