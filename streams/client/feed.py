"""The thread that owns a subscriber's consumer: it never stops polling, so a handler may take hours and keep the group.

Records go into the inbox, positions that moved there are committed; a full inbox pauses the partitions. Nothing is
decoded or filtered here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.errors import DarkroomError
from schemas.record import TopicPartition
from streams.client.errors import RefusedError
from streams.client.kafka import address, as_record, consumer_properties, kafka_error, make_consumer, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from streams.client.inbox import Inbox

Start = Literal["latest", "earliest"]

TURN_S: Final = 0.05
"""How long a finished record may wait for its commit while nothing is polled."""
_BATCH: Final = 200
_ANSWER_S: Final = 10.0
_CLOSE_S: Final = 15.0
_WRONG: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""What no waiting mends; it is raised where records are taken."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Which group to join, and how."""

    group: str
    topics: Sequence[str]
    start: Start
    """Where a NEW group begins on these topics."""
    from_the_start: frozenset[str] = frozenset()
    """Topics on which a new group begins at the earliest record whatever ``start`` says."""
    session_s: float = 10.0
    revoke_s: float = 5.0
    """How long what is in hand may hold up a rebalance."""


class Feed:
    """Owns one consumer and its thread until `close`."""

    def __init__(self, kafka: Mapping[str, Any], membership: Membership, inbox: Inbox) -> None:
        self._membership = membership
        self._inbox = inbox
        self._where = address(kafka)
        self._log = structlog.get_logger().bind(group=membership.group)
        self._stop = threading.Event()
        self._paused: set[TopicPartition] = set()
        self._committing: dict[TopicPartition, int] = {}
        self._last_error = ""
        self._refused: Exception | None = None
        properties = consumer_properties(
            kafka, client_id="darkroom-subscriber", group=membership.group, session_s=membership.session_s
        )
        consumer = make_consumer({**properties, "on_commit": self._on_commit, "error_cb": self._on_error})
        self._thread = threading.Thread(target=self._run, args=(consumer,), name="darkroom-subscriber", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what is finished, leave the group, end the thread."""
        self._stop.set()
        self._thread.join(_CLOSE_S)

    def _run(self, consumer: Consumer) -> None:
        """Poll until stopped; ``consumer`` is a local of this frame on purpose, see `streams.client.process`."""
        try:
            consumer.subscribe(
                list(self._membership.topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while not self._stop.is_set():
                self._turn(consumer)
        except KafkaException as error:
            self._inbox.fail(translate(kafka_error(error), self._where, f"subscribing as {self._membership.group}"))
        except Exception as error:  # noqa: BLE001 - it is raised where records are taken
            self._inbox.fail(error)
        finally:
            self._leave(consumer)

    def _turn(self, consumer: Consumer) -> None:
        first = consumer.poll(TURN_S)
        if self._refused is not None:
            raise self._refused
        if first is not None:
            self._sort(consumer, [first, *consumer.consume(_BATCH, 0)])
        self._commit(consumer)
        self._throttle(consumer)

    def _sort(self, consumer: Consumer, messages: Iterable[Message]) -> None:
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(as_record(message))
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own
                self._go_on_behind_the_gap(consumer, message)
            elif error.fatal() or error.code() in _WRONG:
                raise translate(error, self._where, f"reading as {self._membership.group}")
            else:
                self._on_error(error)
        self._inbox.put(records)

    def _commit(self, consumer: Consumer) -> None:
        """Commit what moved, all in one request, one request at a time: busy, they gather; idle, nothing waits."""
        if self._committing:
            return
        self._committing = self._inbox.to_commit()
        if self._committing:
            consumer.commit(offsets=_offsets(self._committing), asynchronous=True)

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        failed = {
            TopicPartition(each.topic, each.partition): each.offset
            for each in partitions
            if error is not None or each.error is not None
        }
        self._committing = {}
        self._inbox.not_committed(failed)
        if failed:
            self._log.warning("commit_failed", error=str(error or partitions[0].error))

    def _throttle(self, consumer: Consumer) -> None:
        if self._inbox.is_full():
            more = self._inbox.held() - self._paused
            if more:
                consumer.pause([KafkaPartition(*partition) for partition in more])
            self._paused |= more
        elif self._paused and self._inbox.has_room():
            consumer.resume([KafkaPartition(*partition) for partition in self._paused & self._inbox.held()])
            self._paused.clear()

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Begin where the group stands. What goes wrong is raised after the poll: the library garbles it in here."""
        try:
            placed = self._starts(consumer, partitions) if partitions else []
        except KafkaException as error:
            doing = f"asking where {self._membership.group} stands"
            self._refused = translate(kafka_error(error), self._where, doing)
            return
        except DarkroomError as error:
            self._refused = error
            return
        self._inbox.assigned([TopicPartition(each.topic, each.partition) for each in placed])
        consumer.incremental_assign(placed)

    def _starts(self, consumer: Consumer, partitions: list[KafkaPartition]) -> list[KafkaPartition]:
        """Say where to go on. A new group's beginning is committed at once.

        Otherwise a "latest" that was never committed would be a later one after the next rebalance, and what was
        published in between would be skipped.
        """
        placed, new = [], []
        for each in consumer.committed(partitions, timeout=_ANSWER_S):
            if each.error is not None:
                raise translate(each.error, self._where, f"asking where {self._membership.group} stands")
            if each.offset >= 0:
                placed.append(KafkaPartition(each.topic, each.partition, each.offset))
            else:
                new.append(KafkaPartition(each.topic, each.partition, self._beginning(consumer, each)))
        if new:
            consumer.commit(offsets=new, asynchronous=False)
        return placed + new

    def _beginning(self, consumer: Consumer, partition: KafkaPartition) -> int:
        low, high = _edges(consumer, partition)
        earliest = self._membership.start == "earliest" or partition.topic in self._membership.from_the_start
        return low if earliest else high

    def _go_on_behind_the_gap(self, consumer: Consumer, message: Message) -> None:
        """Go on at the first record that is still there: what lay before was deleted before this group read it."""
        partition = KafkaPartition(str(message.topic()), message.partition() or 0)
        low, _ = _edges(consumer, partition)
        self._log.warning("events_expired", topic=partition.topic, partition=partition.partition, going_on_at=low)
        consumer.incremental_unassign([partition])  # fetching has stopped there, and a seek is refused
        consumer.incremental_assign([KafkaPartition(partition.topic, partition.partition, low)])

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        going = [TopicPartition(each.topic, each.partition) for each in partitions]
        self._paused -= set(going)
        moved = self._inbox.revoking(going, 0 if self._stop.is_set() else self._membership.revoke_s)
        # A commit on its way may still fail, so what it carries is said again.
        moved = {each: offset for each, offset in self._committing.items() if each in going} | moved
        if moved:
            self._commit_now(consumer, moved)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        going = [TopicPartition(each.topic, each.partition) for each in partitions]
        self._paused -= set(going)
        self._inbox.lost(going)
        consumer.incremental_unassign(partitions)
        self._log.warning("partitions_lost", partitions=len(going))

    def _leave(self, consumer: Consumer) -> None:
        moved = {**self._committing, **self._inbox.to_commit()}
        if moved:
            self._commit_now(consumer, moved)
        consumer.close()
        self._inbox.fail(RefusedError("CLOSED", "the subscriber left its group"))

    def _commit_now(self, consumer: Consumer, positions: Mapping[TopicPartition, int]) -> None:
        try:
            consumer.commit(offsets=_offsets(positions), asynchronous=False)
        except KafkaException as error:
            # The records will be delivered again, to whoever has the partition then.
            self._log.warning("commit_failed", error=kafka_error(error).str())

    def _on_error(self, error: KafkaError) -> None:
        """Say it once: librdkafka tries again by itself, and reports each try."""
        if error.str() != self._last_error:
            self._last_error = error.str()
            self._log.warning("kafka_error", error=self._last_error, brokers=self._where)


def _offsets(positions: Mapping[TopicPartition, int]) -> list[KafkaPartition]:
    return [KafkaPartition(each.topic, each.partition, offset) for each, offset in positions.items()]


def _edges(consumer: Consumer, partition: KafkaPartition) -> tuple[int, int]:
    """Return the first offset that is still there and the end (of what is committed)."""
    edges = consumer.get_watermark_offsets(partition, timeout=_ANSWER_S)
    if edges is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's own
    return edges
