"""What a subscriber promises: each event handled, then committed; none skipped, none of an aborted transaction seen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict, replace
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from schemas.errors import Unavailable
from schemas.events import Cause, ImageFailed, ImageReady
from schemas.headers import Replay, replay_headers
from streams.client.errors import ForkedError, RefusedError
from streams.client.subscriber import Subscriber
from tests.client.world import QUICK_S, failed, ready
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemas.codec import Codec
    from schemas.events import Event
    from streams.client.messages import Message
    from tests.client.world import World

SOON_S = 0.3
"""Long enough for what was said already to arrive, where the test is that nothing does."""


def take(subscriber: Subscriber, count: int) -> Iterator[Message]:
    """Yield the next messages; each counts as handled when the next is asked for."""
    for _ in range(count):
        message = subscriber.poll(QUICK_S)
        assert message is not None
        yield message


def all_there_is(subscriber: Subscriber) -> list[Message]:
    """Return what comes until nothing does."""
    return list(iter(lambda: subscriber.poll(SOON_S), None))


def test_events_come_typed_with_their_place(world: World, group: str, tenant: str) -> None:
    """Ready and failed events are told apart by type, and say which record they were."""
    with world.subscriber(group, topics=("ready", "failed")) as subscriber:
        world.say(ready(tenant, "1"), failed(tenant, "2"))
        messages = {type(message.event): message for message in take(subscriber, 2)}

    assert set(messages) == {ImageReady, ImageFailed}
    message = messages[ImageReady]
    assert message.record in world.records(world.parts.topics.ready.name)
    assert (message.event_id, message.redelivered, message.replay_id) == (message.event.event_id, False, None)


def test_the_next_call_commits_the_previous_event(world: World, group: str, tenant: str) -> None:
    """While an event is in hand its position is not committed; asking for more commits it."""
    with world.subscriber(group) as subscriber:
        before = world.committed(group)
        world.say(ready(tenant, "1"))
        (message,) = take(subscriber, 1)
        place = (message.record.topic, message.record.partition)
        assert world.committed(group)[place] == before[place]

        subscriber.poll(0)

        wait_until(lambda: world.committed(group)[place] == message.record.offset + 1, QUICK_S)


def test_an_event_whose_handling_raised_comes_again(world: World, group: str, tenant: str) -> None:
    """Leaving the block by an error commits what came before, not the event in hand; leaving it normally commits it."""

    def fail_at_the_second() -> None:
        with world.subscriber(group) as subscriber:
            world.say(*(ready(tenant, "a", hlc=number) for number in (1, 2)))
            for message in subscriber:
                if message.event.hlc == 2:
                    raise KeyError("mine")

    with pytest.raises(KeyError):
        fail_at_the_second()
    with world.subscriber(group) as subscriber:
        for message in subscriber:
            assert message.event.hlc == 2
            break
    with world.subscriber(group) as subscriber:
        assert subscriber.poll(SOON_S) is None


def test_a_crash_loses_nothing(world: World, group: str, tenant: str, tmp_path: Path) -> None:
    """A process killed inside a handler: the event in hand comes again, what was committed does not."""
    with world.member(f"{group}-1").subscriber(group):
        stood = sum(world.committed(group).values())  # the group exists, and stands at the end
    world.say(*(ready(tenant, "a", hlc=number) for number in (1, 2, 3)))
    arguments = [json.dumps(asdict(world.stack)), world.parts.upload_bucket, group, str(tmp_path / "flag")]
    child = subprocess.Popen([sys.executable, "-m", "tests.client.hanging", *arguments])
    try:
        wait_until((tmp_path / "flag").exists, 20, what="the third event being handled")
        wait_until(lambda: sum(world.committed(group).values()) == stood + 2, QUICK_S)
    finally:
        child.kill()
        child.wait()

    with world.member(f"{group}-1").subscriber(group) as subscriber:
        (message,) = take(subscriber, 1)

    assert message.event.hlc == 3


def test_a_new_group_starts_where_it_was_told(world: World, group: str, tenant: str) -> None:
    """Latest: from now on. Earliest: from the first event there is."""
    world.say(ready(tenant, "old"))

    with world.subscriber(f"{group}-new", start="latest", tenants=tenant) as latest:
        world.say(ready(tenant, "new"))
        assert [message.event.image_id for message in take(latest, 1)] == ["new"]
    with world.subscriber(f"{group}-all", start="earliest", tenants=tenant) as earliest:
        assert {message.event.image_id for message in take(earliest, 2)} == {"old", "new"}


def test_latest_is_decided_once(world: World, group: str, tenant: str) -> None:
    """What is said while a new group is away is not skipped, even if the group never handled anything before."""
    with world.subscriber(group, start="latest"):
        pass
    world.say(ready(tenant, "1"))

    with world.subscriber(group, start="latest") as subscriber:
        assert [message.event.image_id for message in take(subscriber, 1)] == ["1"]


def test_aborted_and_open_transactions_are_not_seen(world: World, group: str, tenant: str) -> None:
    """Only what was committed is delivered; a group that starts at the latest sees what is committed later."""
    producer = Producer({**world.parts.kafka, "transactional.id": group, "partitioner": "murmur2_random"})
    producer.init_transactions(QUICK_S)
    producer.begin_transaction()
    world.produce(producer, ready(tenant, "open"))
    producer.flush(QUICK_S)

    with world.subscriber(group, tenants=tenant) as subscriber:
        assert subscriber.poll(SOON_S) is None
        producer.commit_transaction(QUICK_S)
        producer.begin_transaction()
        world.produce(producer, ready(tenant, "aborted"))
        producer.flush(QUICK_S)
        producer.abort_transaction(QUICK_S)
        producer.begin_transaction()
        world.produce(producer, ready(tenant, "committed"))
        producer.commit_transaction(QUICK_S)

        assert {message.event.image_id for message in take(subscriber, 2)} == {"open", "committed"}
        assert subscriber.poll(SOON_S) is None


def test_a_long_handler_keeps_its_group(world: World, group: str, tenant: str) -> None:
    """While a handler runs, its member goes on taking part: another joins and gets a share, and nothing is lost."""
    with world.subscriber(group, session_s=6, revoke_s=0.2) as busy:
        world.say(*(ready(tenant, str(number)) for number in range(20)))
        (in_hand,) = take(busy, 1)

        with world.subscriber(group, session_s=6) as other:
            wait_until(lambda: world.shares(group) == [1, 2], QUICK_S)  # two partitions of ready, one of parked
            handled = [in_hand, *all_there_is(other), *all_there_is(busy)]

    assert {message.event.image_id for message in handled} == {str(number) for number in range(20)}


def test_unwanted_tenants_are_not_even_decoded(world: World, group: str, tenant: str) -> None:
    """Another tenant's record, garbage inside, is passed over by its header and its position committed."""
    with world.subscriber(group, tenants=[tenant]) as subscriber:
        stood = sum(world.committed(group).values())
        world.say(ready(f"{tenant}-not", "1"), value=b"garbage")
        world.say(ready(tenant, "2"))
        assert [message.event.image_id for message in take(subscriber, 1)] == ["2"]
        assert subscriber.poll(0) is None
        wait_until(lambda: sum(world.committed(group).values()) == stood + 2, QUICK_S)

    assert not world.records(f"{group}.parked")


@pytest.mark.parametrize(
    ("replays", "seen"),
    [
        ("all", {"live", "plain", "one", "two", "bare"}),
        ("exclude", {"live", "plain"}),
        ("only", {"one", "two", "bare"}),
        ({"replay-1", "replay-9"}, {"one"}),
        ({"replay-1", "replay-2"}, {"one", "two", "bare"}),
    ],
)
def test_replays_are_wanted_or_not(
    world: World, group: str, tenant: str, replays: str | set[str], seen: set[str]
) -> None:
    """All, none, only they, or some; by the header, undecoded, and where headers are missing by the event."""
    codec = CountingCodec(world.parts.codec)
    one, two = (Replay(f"replay-{number}", "images.uploaded", 0, 1) for number in (1, 2))
    with world.having(codec=codec).subscriber(group, tenants=tenant, replays=replays) as subscriber:
        for image_id, replay, in_header in (("one", one, True), ("two", two, True), ("bare", two, False)):
            cause = Cause("images.replay", 0, 1, uuid4(), replay.replay_id)
            event = ready(tenant, image_id, cause=cause)
            world.say(event, headers=replay_headers(replay)) if in_header else world.say_bare(event)
        world.say(ready(tenant, "live"))
        world.say_bare(ready(tenant, "plain"))

        assert {message.event.image_id for message in take(subscriber, len(seen))} == seen
        assert subscriber.poll(SOON_S) is None
    assert codec.decoded[tenant] == len(seen | {"bare", "plain"}), "only what has no headers is decoded in vain"


@pytest.mark.parametrize(("replays", "says"), [("include", "all, exclude, only"), (set(), "empty set")])
def test_a_choice_of_replays_that_selects_nothing_is_refused(
    world: World, group: str, replays: str | set[str], says: str
) -> None:
    """A slip of the pen must not pass every event over."""
    with pytest.raises(ValueError, match=says):
        Subscriber(world.parts, group=group, start="latest", replays=replays)


class CountingCodec:
    """A codec that counts what it decodes, by tenant: others speak on the same topics."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.decoded: Counter[str | None] = Counter()

    def decode(self, topic: str, value: bytes | None) -> Event:
        event = self._codec.decode(topic, value)
        self.decoded[event.tenant] += 1
        return event


def test_a_registry_outage_is_waited_for(world: World, group: str, tenant: str) -> None:
    """Nothing is parked while the registry is away, and the event is delivered when it is back."""

    class Recovering:
        def __init__(self) -> None:
            self.asked = 0

        def decode(self, topic: str, value: bytes | None) -> Event:
            self.asked += 1
            if self.asked < 3:
                raise Unavailable("registry", "away")
            return world.parts.codec.decode(topic, value)

    codec = Recovering()
    with world.having(codec=codec).subscriber(group) as subscriber:
        world.say(ready(tenant, "1"))
        assert [message.event.image_id for message in take(subscriber, 1)] == ["1"]

    assert codec.asked == 3
    assert not world.records(f"{group}.parked")


def test_stop_ends_the_loop_after_the_event_in_hand(world: World, group: str, tenant: str) -> None:
    """A signal handler may call it; the event in hand is finished and committed, the next one is left."""
    handled = []
    previous = signal.getsignal(signal.SIGUSR1)
    with world.subscriber(group, tenants=tenant) as subscriber:
        signal.signal(signal.SIGUSR1, lambda *_: subscriber.stop())
        world.say(*(ready(tenant, "a", hlc=number) for number in (1, 2)))

        def handle(message: Message) -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            handled.append(message.event.hlc)

        subscriber.run(handle)
    signal.signal(signal.SIGUSR1, previous)

    assert handled == [1]
    with world.subscriber(group) as subscriber:
        assert [message.event.hlc for message in take(subscriber, 1)] == [2]


def test_closing_leaves_the_group(world: World, group: str) -> None:
    """The others need not wait for the session to end; closing twice is fine, from any thread."""
    subscriber = world.subscriber(group)
    assert len(world.shares(group)) == 1

    closer = threading.Thread(target=subscriber.close)
    closer.start()
    closer.join(QUICK_S)
    subscriber.close()

    wait_until(lambda: not world.shares(group), QUICK_S)
    assert subscriber.poll(0) is None


def test_what_cannot_work_is_said_at_the_start(world: World, group: str) -> None:
    """A missing topic with the command that makes it; an unreachable broker with address and setting, in time."""
    no_topics = replace(world.parts.topics, prefix="nobody-made-these.")
    with pytest.raises(RefusedError, match="darkroom topics create"):
        Subscriber(replace(world.parts, topics=no_topics), group=group, start="latest")
    with pytest.raises(ValueError, match="topics are some of"):
        Subscriber(world.parts, group=group, start="latest", topics=["reddy"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="workers' group"):
        Subscriber(replace(world.parts, worker_group=group), group=group, start="latest")
    with pytest.raises(RefusedError, match="No such configuration property"):
        Subscriber(replace(world.parts, kafka={**world.parts.kafka, "no.such": 1}), group=group, start="latest")
    began = monotonic()
    nobody = replace(world.parts, kafka={"bootstrap.servers": "127.0.0.1:1"}, timeout_s=0.5)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 \(kafka\.bootstrap_servers\)"):
        Subscriber(nobody, group=group, start="latest")

    assert monotonic() - began < 5


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_make_its_own(world: World, group: str, tenant: str) -> None:
    """In the child every call raises and freeing it does no harm; the parent goes on."""
    subscriber: Subscriber | None = world.subscriber(group)
    assert subscriber is not None
    child = os.fork()
    if child == 0:
        verdict = 1
        try:
            subscriber.poll(0)
        except ForkedError:
            subscriber.close()
            subscriber = None
            verdict = 0
        finally:
            os._exit(verdict)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    world.say(ready(tenant, "1"))
    assert [message.event.image_id for message in take(subscriber, 1)] == ["1"]
    subscriber.close()


def test_asyncio_uses_it_by_to_thread(world: World, group: str, tenant: str) -> None:
    """Waiting for the next event blocks a thread, never the loop; any thread may ask for the next."""

    async def collect(subscriber: Subscriber) -> list[str | None]:
        seen: list[str | None] = []
        while len(seen) < 3:
            message = await asyncio.to_thread(subscriber.poll, QUICK_S)
            assert message is not None
            seen.append(message.event.image_id)
        return seen

    with world.subscriber(group) as subscriber:
        world.say(*(ready(tenant, str(number)) for number in range(3)))
        assert sorted(asyncio.run(collect(subscriber)), key=str) == ["0", "1", "2"]
