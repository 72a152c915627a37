"""Waits for the answers to events that are about to be published. It belongs to no group and commits nothing.

Make it BEFORE publishing: it stands at the end of the ready, failed and deleted topics from then on, so no answer can
pass it by. For a service that acts on every answer, `Subscriber` is the tool. Used by one thread.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.errors import Permanent, Unavailable
from streams.client.errors import WaitTimeoutError
from streams.client.kafka import (
    address,
    as_record,
    consumer_properties,
    kafka_error,
    make_consumer,
    partitions_of,
    translate,
)
from streams.client.messages import Wanted
from streams.client.process import HomeProcess
from streams.client.reader import Found, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from uuid import UUID

    from confluent_kafka import Message as KafkaMessage

    from schemas.events import Output
    from streams.client.parts import Parts

_SLICE_S: Final = 0.5
_BATCH: Final = 500
_NEVER_COMMITS_S: Final = 45.0


class Waiter:
    """Hears every answer from the moment it is made until `close`."""

    def __init__(self, parts: Parts) -> None:
        """Stand at the end of the answers. Raise `Unavailable` if no broker answers, `RefusedError` without topics."""
        self._home = HomeProcess("waiter")
        self._where = address(parts.kafka)
        self._reader = Reader(parts.codec, Wanted(), parked_topic="")
        self._unread: list[Found] = []
        properties = consumer_properties(
            parts.kafka,
            client_id="darkroom-waiter",
            group="darkroom-waiter",
            session_s=_NEVER_COMMITS_S,
        )
        self._consumer = make_consumer(properties)
        try:
            self._consumer.assign(list(self._ends([topic.name for topic in parts.topics.outputs], parts.timeout_s)))
        except KafkaException as error:
            self._consumer.close()
            raise translate(kafka_error(error), self._where, "looking for the end of the answers") from error
        except BaseException:
            self._consumer.close()
            raise

    def wait(self, event_ids: Iterable[UUID], timeout: float) -> Iterator[Output]:
        """Yield the answer to each of these events as it comes: one ready, failed or removed event for each.

        Answers of replays are passed over. A replay repeats the event under its own id, so they name it as their cause,
        but they may be of another recipe, or cancelled, and the event's own answer comes besides.
        ``timeout``: seconds for all of them; raise `WaitTimeoutError` with those still missing then.
        """
        missing = set(event_ids)
        give_up = monotonic() + timeout
        while missing:
            left = give_up - monotonic()
            if left <= 0:
                raise WaitTimeoutError(frozenset(missing), timeout)
            for event in self.answers(min(left, _SLICE_S)):
                if event.cause.event_id in missing and event.cause.replay_id is None:
                    missing.discard(event.cause.event_id)
                    yield event

    def answers(self, timeout: float) -> list[Output]:
        """Return what came meanwhile, whosever it is; waits up to ``timeout`` seconds for the first.

        Unreadable records are passed over. While the registry is away, nothing is returned and nothing lost.
        """
        self._home.demand()
        self._unread += self._poll(0 if self._unread else timeout)
        answers: list[Output] = []
        while self._unread:
            try:
                message = self._reader.read(self._unread[0])
            except Permanent:
                message = None
            except Unavailable:
                break
            self._unread.pop(0)
            if message is not None:
                answers.append(message.event)
        return answers

    def close(self) -> None:
        """Stop hearing. In a forked child this does nothing."""
        if self._home.is_here():
            self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _poll(self, timeout: float) -> list[Found]:
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        found = []
        for message in [first, *self._consumer.consume(_BATCH, 0)]:
            self._demand_no_error(message)
            if message.error() is None:
                found.append(Found(as_record(message), redelivered=False))
        return found

    def _demand_no_error(self, message: KafkaMessage) -> None:
        error = message.error()
        if error is not None and (error.fatal() or error.code() in _WRONG):
            raise translate(error, self._where, f"reading {message.topic()}")

    def _ends(self, topics: Iterable[str], timeout_s: float) -> Iterator[KafkaPartition]:
        for topic in topics:
            for number in partitions_of(self._consumer, topic, timeout_s=timeout_s, where=self._where):
                partition = KafkaPartition(topic, number)
                edges = self._consumer.get_watermark_offsets(partition, timeout=timeout_s)
                if edges is None:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's own
                yield KafkaPartition(topic, number, edges[1])


_WRONG: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
