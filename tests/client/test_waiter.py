"""Waiting for answers: none can pass by, none of an aborted transaction counts, and what is missing is named."""

from __future__ import annotations

import os
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from schemas.errors import Unavailable
from schemas.events import Cause, ImageFailed, ImageReady
from streams.client.errors import ForkedError, RefusedError, WaitTimeoutError
from streams.client.waiter import Waiter
from tests.client.world import QUICK_S, failed, ready

if TYPE_CHECKING:
    from uuid import UUID

    from tests.client.world import World


def answering(event_id: UUID) -> Cause:
    """Return the cause of an answer to this event."""
    return Cause("images.uploaded", 0, 1, event_id)


def test_answers_are_told_from_others(world: World, tenant: str) -> None:
    """Ready or failed, in any order, among answers to others and garbage."""
    first, second = uuid4(), uuid4()
    with Waiter(world.parts) as waiter:
        world.say(ready(tenant, "other"), ready(tenant, "2", cause=answering(second)))
        world.say(ready(tenant, "3"), value=b"garbage")
        world.say(failed(tenant, "1", cause=answering(first)))
        answers = {answer.cause.event_id: answer for answer in waiter.wait([first, second], QUICK_S)}

    assert isinstance(answers[first], ImageFailed)
    assert isinstance(answers[second], ImageReady)


def test_the_answer_of_a_replay_is_not_the_upload_s_own(world: World, tenant: str) -> None:
    """A replay that overtakes the upload repeats its event id; it may be cancelled, or of another recipe."""
    asked = uuid4()
    with Waiter(world.parts) as waiter:
        world.say(failed(tenant, "1", cause=Cause("images.replay", 0, 1, asked, "spring")))
        world.say(ready(tenant, "1", cause=answering(asked)))
        (answer,) = waiter.wait([asked], QUICK_S)

    assert isinstance(answer, ImageReady)


def test_an_answer_is_heard_from_the_moment_the_waiter_is_made(world: World, tenant: str) -> None:
    """However long it takes until somebody waits; what was said before is not heard."""
    before, after = uuid4(), uuid4()
    world.say(ready(tenant, "1", cause=answering(before)))
    with Waiter(world.parts) as waiter:
        world.say(ready(tenant, "2", cause=answering(after)))
        (answer,) = waiter.wait([after], QUICK_S)
        assert answer.cause.event_id == after
        with pytest.raises(WaitTimeoutError) as caught:
            list(waiter.wait([before], 0.3))

    assert caught.value.missing == {before}


def test_an_aborted_answer_is_none(world: World, tenant: str) -> None:
    """The worker did it again, and only what it committed counts."""
    asked = uuid4()
    producer = Producer({**world.parts.kafka, "transactional.id": tenant, "partitioner": "murmur2_random"})
    producer.init_transactions(QUICK_S)
    with Waiter(world.parts) as waiter:
        producer.begin_transaction()
        world.produce(producer, ready(tenant, "1", cause=answering(asked), recipe="aborted"))
        producer.flush(QUICK_S)
        producer.abort_transaction(QUICK_S)
        producer.begin_transaction()
        world.produce(producer, ready(tenant, "1", cause=answering(asked), recipe="committed"))
        producer.commit_transaction(QUICK_S)
        (answer,) = waiter.wait([asked], QUICK_S)

    assert isinstance(answer, ImageReady)
    assert answer.recipe == "committed"


def test_what_cannot_work_is_said_at_once(world: World) -> None:
    """An unreachable broker with its address, missing topics with the command that makes them."""
    began = monotonic()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 \(kafka\.bootstrap_servers\)"):
        Waiter(replace(world.parts, kafka={"bootstrap.servers": "127.0.0.1:1"}, timeout_s=0.5))
    with pytest.raises(RefusedError, match="darkroom topics create"):
        Waiter(replace(world.parts, topics=replace(world.parts.topics, prefix="nobody-made-these.")))

    assert monotonic() - began < 5


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_make_its_own(world: World) -> None:
    """In the child it raises; closing it there leaves the parent's alone."""
    with Waiter(world.parts) as waiter:
        child = os.fork()
        if child == 0:
            verdict = 1
            try:
                waiter.answers(0)
            except ForkedError:
                waiter.close()
                verdict = 0
            finally:
                os._exit(verdict)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert waiter.answers(0) == []
