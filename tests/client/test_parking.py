"""What happens to events that can't be handled: tried again, parked verbatim, looked at, put back."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schemas.errors import Permanent, Reason
from schemas.headers import DeadLetter
from schemas.record import Outgoing, Record
from streams.adapters.kafka_topics import TopicAdmin
from streams.client.errors import ParkingError, RefusedError
from streams.client.parked import create_parked_topic, list_parked, put_back
from streams.client.parking import park_record, put_back_record, read_parked
from streams.client.patience import Patience
from tests.client.world import QUICK_S, failed, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.client.messages import Message
    from streams.client.subscriber import Subscriber
    from tests.client.world import World

HASTY = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=0.02)
SOON_S = 0.3


class Handler:
    """Remembers what it was given, fails as told, and stops its subscriber after a number of calls."""

    def __init__(self, subscriber: Subscriber, calls: int, fails: Callable[[Message], Exception | None]) -> None:
        self.seen: list[Message] = []
        self._subscriber = subscriber
        self._calls = calls
        self._fails = fails

    def __call__(self, message: Message) -> None:
        """Take one event."""
        self.seen.append(message)
        if len(self.seen) >= self._calls:
            self._subscriber.stop()
        error = self._fails(message)
        if error is not None:
            raise error


def bad(message: Message) -> Exception | None:
    """Fail for the image named bad."""
    return KeyError("not in the catalogue") if message.event.image_id == "bad" else None


def run(subscriber: Subscriber, calls: int, fails: Callable[[Message], Exception | None] = bad) -> list[Message]:
    """Handle so many calls' worth of events and return what was seen."""
    handler = Handler(subscriber, calls, fails)
    subscriber.run(handler)
    return handler.seen


def polled(sent: Outgoing) -> Record:
    """Return what was sent as somebody polls it."""
    return Record(sent.topic, 0, 9, sent.key, sent.value, sent.headers, 5)


def test_a_handler_is_tried_again(world: World, group: str, tenant: str) -> None:
    """An error that passes costs a few tries and nothing else."""
    tries = iter([KeyError("once"), KeyError("twice"), None])
    with world.subscriber(group, patience=HASTY) as subscriber:
        world.say(ready(tenant, "1"))
        seen = run(subscriber, 3, lambda _: next(tries))

    assert len({message.event_id for message in seen}) == 1
    assert not list_parked(world.parts, group)


def test_what_goes_on_failing_is_parked_as_it_was(world: World, group: str, tenant: str) -> None:
    """Value, key and headers verbatim; beside them where it came from, what went wrong and how often it was tried."""
    with world.subscriber(group, patience=HASTY) as subscriber:
        world.say(ready(tenant, "bad"), ready(tenant, "good"))
        seen = run(subscriber, 4)

    assert sorted(message.event.image_id or "" for message in seen) == ["bad", "bad", "bad", "good"]
    (parked,) = list_parked(world.parts, group)
    original = next(message.record for message in seen if message.event.image_id == "bad")
    assert (parked.key, parked.value, parked.headers) == (original.key, original.value, original.headers)
    letter = parked.letter
    assert (letter.topic, letter.partition, letter.offset) == (original.topic, original.partition, original.offset)
    assert (letter.stage, letter.message) == ("handle", "KeyError: 'not in the catalogue'")
    assert (parked.attempts, parked.tenant, parked.image_id) == (3, tenant, "bad")


def test_what_is_put_back_comes_again_to_its_group_only(world: World, group: str, tenant: str) -> None:
    """Parked, put back, handled: in its own place, with its own event id; other groups of the topic hear nothing."""
    with world.subscriber(f"{group}-other") as other, world.subscriber(group, patience=HASTY) as subscriber:
        world.say(ready(tenant, "bad"))
        (original, *_) = run(subscriber, 3)
        assert other.poll(QUICK_S) is not None
        assert put_back(world.parts, group, list_parked(world.parts, group)) == 1
        assert list_parked(world.parts, group) == []
        assert other.poll(SOON_S) is None
    with world.subscriber(group) as subscriber:
        (again,) = run(subscriber, 1, lambda _: None)

    assert again.redelivered
    assert (again.event, again.record.offset) == (original.event, original.record.offset)
    assert again.record[:6] == original.record[:6]
    with world.subscriber(group) as subscriber:
        assert subscriber.poll(SOON_S) is None
    assert list_parked(world.parts, group) == []


def test_what_fails_again_is_parked_again(world: World, group: str, tenant: str) -> None:
    """In its own place still, and once in the list."""
    with world.subscriber(group, patience=HASTY) as subscriber:
        world.say(ready(tenant, "bad"))
        run(subscriber, 3)
    (first,) = list_parked(world.parts, group)
    put_back(world.parts, group, [first])
    with world.subscriber(group, patience=HASTY) as subscriber:
        run(subscriber, 3)

    (second,) = list_parked(world.parts, group)
    assert second.place != first.place
    assert replace(second, place=first.place, parked_at_ms=first.parked_at_ms) == first


def test_what_was_put_back_before_a_group_began_is_not_missed(world: World, group: str, tenant: str) -> None:
    """A new group starts its topics where it was told, but its parked topic at the beginning."""
    with world.subscriber(f"{group}-first", patience=HASTY) as subscriber:
        world.say(ready(tenant, "bad"))
        run(subscriber, 3)
    create_parked_topic(world.parts, group)
    put_back(world.parts, group, list_parked(world.parts, f"{group}-first"))

    with world.subscriber(group, start="latest") as subscriber:
        (message,) = run(subscriber, 1, lambda _: None)

    assert message.redelivered


def test_only_what_is_chosen_is_put_back(world: World, group: str, tenant: str) -> None:
    """The others stay parked."""
    with world.subscriber(group, patience=HASTY) as subscriber:
        world.say(*(ready(tenant, str(number)) for number in range(3)))
        run(subscriber, 3, lambda _: Permanent(Reason.OTHER, "no"))
    chosen = [parked for parked in list_parked(world.parts, group) if parked.image_id == "1"]

    put_back(world.parts, group, chosen)

    assert {parked.image_id for parked in list_parked(world.parts, group)} == {"0", "2"}


def test_a_permanent_error_is_not_tried_again(world: World, group: str, tenant: str) -> None:
    """It is parked at the first attempt."""
    with world.subscriber(group) as subscriber:
        world.say(ready(tenant, "1"))
        assert len(run(subscriber, 1, lambda _: Permanent(Reason.OTHER, "never"))) == 1

    (parked,) = list_parked(world.parts, group)
    assert (parked.attempts, parked.letter.message) == (1, "Permanent: other: never")


def test_what_cannot_be_decoded_is_parked(world: World, group: str, tenant: str) -> None:
    """Garbage, and an event that is no answer, do not stop what comes behind them on the same partition."""
    with world.subscriber(group) as subscriber:
        world.say(ready(tenant, "a"), value=b"garbage")
        world.say(
            ready(tenant, "a"), value=world.parts.codec.encode(world.topic_of(failed("t", "i")), failed("t", "i"))
        )
        world.say(ready(tenant, "a", hlc=77))
        message = subscriber.poll(QUICK_S)

    assert message is not None
    assert message.event.hlc == 77
    parked = list_parked(world.parts, group)
    assert [each.letter.stage for each in parked] == ["decode", "decode"]
    assert parked[0].value == b"garbage"


def test_a_failed_event_with_its_own_dead_letter_headers_is_parked_in_its_place(
    world: World, group: str, tenant: str
) -> None:
    """A failed event's headers say where the upload was; parked, they stay, and the list says where the event was."""
    upload = DeadLetter("images.uploaded", 7, 8, "render", "worker", "broken")
    theirs = park_record("t", "g", Record("", 0, 0, None, None, (), 0), upload, 1).headers[1:-1]
    with world.subscriber(group, topics=["failed"], patience=HASTY) as subscriber:
        world.say(failed(tenant, "bad"), headers=theirs)
        (message, *_) = run(subscriber, 3)

    (parked,) = list_parked(world.parts, group)
    assert parked.headers == message.record.headers
    assert (parked.letter.topic, parked.letter.offset) == (message.record.topic, message.record.offset)


def test_who_iterates_parks_by_hand(world: World, group: str, tenant: str) -> None:
    """The event in hand is parked and the loop goes on."""
    with world.subscriber(group) as subscriber:
        world.say(ready(tenant, "1"))
        for _ in subscriber:
            subscriber.park(ValueError("mine"))
            break
        assert subscriber.poll(0) is None
        with pytest.raises(ValueError, match="no event in hand"):
            subscriber.park(ValueError("mine"))

    assert [parked.letter.message for parked in list_parked(world.parts, group)] == ["ValueError: mine"]


def test_errors_can_be_raised_instead(world: World, group: str, tenant: str) -> None:
    """The handler's own error comes out of run, and the event stays in front: it is delivered again."""
    with world.subscriber(group, on_error="raise", patience=HASTY) as subscriber:
        world.say(ready(tenant, "bad"), ready(tenant, "bad", hlc=2))
        with pytest.raises(KeyError, match="not in the catalogue"):
            run(subscriber, 100)
        message = subscriber.poll(QUICK_S)

    assert message is not None
    assert message.event.hlc != 2


def test_an_exit_is_not_an_error_of_the_event(world: World, group: str, tenant: str) -> None:
    """Ctrl-C in a handler ends the loop; the event is neither retried nor parked, and comes again."""

    def interrupt(_: Message) -> None:
        raise KeyboardInterrupt

    with world.subscriber(group) as subscriber:
        world.say(ready(tenant, "1"))
        with pytest.raises(KeyboardInterrupt):
            subscriber.run(interrupt)
    with world.subscriber(group) as subscriber:
        assert subscriber.poll(QUICK_S) is not None
    assert not list_parked(world.parts, group)


def test_stopping_cuts_the_back_off_short(world: World, group: str, tenant: str) -> None:
    """A subscriber that waits a minute for the next try stops at once; the event is not parked, and comes again."""
    patient = Patience(attempts=5, first_wait_s=60, longest_wait_s=60)
    with world.subscriber(group, patience=patient) as subscriber:
        world.say(ready(tenant, "bad"))
        failing = threading.Event()

        def fail(_: Message) -> None:
            failing.set()
            raise KeyError

        runner = threading.Thread(target=subscriber.run, args=(fail,))
        runner.start()
        assert failing.wait(QUICK_S)
        subscriber.stop()
        runner.join(QUICK_S)
        assert not runner.is_alive()
    with world.subscriber(group) as subscriber:
        assert subscriber.poll(QUICK_S) is not None


def test_what_cannot_be_parked_stops_the_subscriber_in_front_of_it(world: World, group: str, tenant: str) -> None:
    """An event that Kafka does not take on the parked topic is never skipped: it is there again the next time."""
    small = replace(world.parts.topics.parked(group), max_message_bytes=100)
    TopicAdmin(world.parts.kafka).create([small])
    with world.subscriber(group, patience=HASTY) as subscriber:
        world.say(ready(tenant, "bad"))
        with pytest.raises(ParkingError, match="MSG_SIZE_TOO_LARGE"):
            run(subscriber, 100)
    with world.subscriber(group) as subscriber:
        assert subscriber.poll(QUICK_S) is not None


def test_the_parked_topic_is_made_once(world: World, group: str) -> None:
    """By the first subscriber or by hand; a group that never had one is told so."""
    with pytest.raises(RefusedError, match="UNKNOWN_TOPIC"):
        list_parked(world.parts, group)

    assert create_parked_topic(world.parts, group) == f"{group}.parked"
    assert create_parked_topic(world.parts, group) == f"{group}.parked"
    assert list_parked(world.parts, group) == []


def test_putting_back_and_parking_are_each_others_inverse() -> None:
    """However often an event goes round, its own headers stay as they were."""
    letter = DeadLetter("images.ready", 1, 2, "handle", "f", "KeyError: x")
    original = Record("images.ready", 1, 2, b"k", b"v", (("a", b"1"), ("a", b"2")), 5)
    parked = read_parked(polled(park_record("g.parked", "g", original, letter, 3)))
    assert parked is not None
    again = read_parked(polled(put_back_record("g.parked", parked)))

    assert again == parked
    assert (parked.headers, parked.group) == (original.headers, "g")


@pytest.mark.parametrize("headers", [(), (("darkroom_parked_by", b"g"),), (("darkroom_put_back", b"0-1"),)])
def test_what_is_no_parked_event_is_none(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Whoever else writes to the topic does no harm."""
    assert read_parked(Record("g.parked", 0, 0, None, b"v", headers, 0)) is None
