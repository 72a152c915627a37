"""One member of a consumer group on confluent-kafka. Decides nothing: it delivers, and tells of rebalances.

Three things here are not as librdkafka has them:

* A partition is delivered from only after `KafkaConsumer.seek`. The group's assignment is acknowledged in the rebalance
  callback, but the client is given the partition only then, with its offset. (Given it at once, paused: at
  OFFSET_END the answer to "where is the end?" can come after the seek and MOVES the partition to the end, seen in
  one of two runs; at 0 a fetch can slip out before the pause and stop the partition as out of range.)
* A rebalance callback may come in the MIDDLE of one fetch, after records of the same answer. So what the engine asks
  for inside a callback (seek, pause, resume) is done when the fetch is over, and records that the callback made
  void are dropped, or sought back to where they are still wanted.
* A broker thread of librdkafka that has nothing to fetch sleeps for up to a second and does not notice a resume. A
  question to the partitions' leaders wakes it (1.0 s to the first record without, 5 ms with).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from confluent_kafka import OFFSET_END, KafkaError, KafkaException
from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.record import Record, TopicPartition
from streams.adapters.kafka_errors import CREDENTIALS, consuming, kafka_error
from streams.adapters.kafka_log import ClientLog
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from confluent_kafka import Message

    from streams.runtime.ports import GroupMetadata, Rebalance, Settings

log = structlog.get_logger()
SEEK_TRIES = 100
SEEK_WAIT_S = 0.005
WAKE_S = 0.2
"""A leader that does not answer within this is not worth waiting for: its partitions deliver a second later."""


class _Command(NamedTuple):
    """Something the engine asked for inside a rebalance callback."""

    partitions: tuple[TopicPartition, ...]
    run: Callable[[], None]


class KafkaConsumer:
    """One group member. Not thread-safe, like the client below it."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client({**settings, "error_cb": self._client_error}, logger=ClientLog())
        self._rebalance: Rebalance | None = None
        self._assigned: set[TopicPartition] = set()
        self._dormant: set[TopicPartition] = set()
        """Assigned, but not yet sought: the client does not have them yet."""
        self._commands: list[_Command] = []
        self._inside_client = False
        self._rebalanced = False
        self._worked = False
        self._asleep: set[TopicPartition] = set()
        """Resumed since the last poll: their leaders' threads may be asleep."""
        self._failure: Exception | None = None
        """Raised by the next poll: callbacks cannot raise through librdkafka without losing the records fetched."""

    def subscribe(self, topics: Sequence[str], rebalance: Rebalance) -> None:
        """Join the group at the next poll."""
        self._rebalance = rebalance
        self._client.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Return what is there. Raise BrokerError, or what a rebalance callback raised, once its records are out."""
        if self._asleep:
            self._wake()
        self._raise_failure()
        messages = self._fetch(max_records, timeout)
        records = [_record(m) for m in messages if m.error() is None or self._note(m)]
        if self._rebalanced or self._commands:
            records = self._settle(records)
        if not records:
            self._raise_failure()
        return records

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from ``offset``; nothing from before the call is delivered after it."""
        if partition not in self._assigned:
            raise BrokerError(Severity.ABORTABLE, "_STATE", f"{partition} is not assigned", partition)
        self._do((partition,), lambda: self._seek_and_resume(partition, offset))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing from these; what was prefetched is fetched again later."""
        self._do(partitions, lambda: self._client.pause(_kafka(self._owned(partitions))))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver from these again, from behind the last record delivered."""
        self._do(partitions, lambda: self._resume(partitions))

    def group_metadata(self) -> GroupMetadata:
        """Return member and generation as they are now."""
        metadata: GroupMetadata = self._client.consumer_group_metadata()
        return metadata

    def close(self) -> None:
        """Leave the group; `Rebalance.revoked` is called first, while we are still a member."""
        self._inside_client = True
        try:
            self._client.close()
        finally:
            self._inside_client = False
            self._assigned.clear()
        self._raise_failure()

    # --- fetching ------------------------------------------------------------------------------------------------

    def _fetch(self, max_records: int, timeout: float) -> list[Message]:
        """Take what is queued; if nothing is, wait for ONE message (``consume`` would wait until it has them all)."""
        self._inside_client = True
        try:
            messages: list[Message] = self._client.consume(max_records, 0)
            if not messages and timeout > 0 and not self._rebalanced:
                first = self._client.poll(timeout)
                if first is not None:
                    messages = [first, *self._client.consume(max_records - 1, 0)] if max_records > 1 else [first]
        except KafkaException as failure:
            error = consuming(kafka_error(failure))
            if error is None:
                error = BrokerError(Severity.RETRIABLE, kafka_error(failure).name(), str(failure))
            raise error from failure
        finally:
            self._inside_client = False
        return messages

    def _note(self, message: Any) -> bool:  # noqa: ANN401
        """Keep what an error message means for the next poll; False, for it is no record."""
        failed: KafkaError = message.error()
        topic, partition = message.topic(), message.partition()
        where = TopicPartition(topic, partition) if topic is not None and partition is not None else None
        error = consuming(failed, where if where and where.partition >= 0 else None)
        if error is None:
            log.debug("kafka_consumer_error", code=failed.name(), detail=failed.str())
        elif where is None or where.partition < 0 or where in self._assigned:
            self._failure = self._failure or error
        return False

    def _settle(self, records: list[Record]) -> list[Record]:
        """Drop what callbacks made void, seek back to what was only held up, then carry out what they asked for."""
        commands, self._commands, self._rebalanced = self._commands, [], False
        touched = {partition for command in commands for partition in command.partitions}
        kept, held_up = [], dict[TopicPartition, int]()
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            if partition not in self._assigned:
                continue
            if partition in touched:
                held_up.setdefault(partition, record.offset)
            else:
                kept.append(record)
        for partition, offset in held_up.items():
            self._seek(partition, offset)
        for command in commands:
            command.run()
        return kept

    def _wake(self) -> None:
        """Have every leader's thread look at its partitions again."""
        partitions, self._asleep = self._asleep & self._assigned, set()
        if not partitions:
            return
        questions = [KafkaPartition(p.topic, p.partition, OFFSET_END) for p in partitions]
        try:
            self._client.offsets_for_times(questions, timeout=WAKE_S)
        except KafkaException as failure:
            log.debug("kafka_wake_failed", detail=str(failure))

    # --- moving --------------------------------------------------------------------------------------------------

    def _do(self, partitions: Sequence[TopicPartition], run: Callable[[], None]) -> None:
        if self._inside_client:
            self._commands.append(_Command(tuple(partitions), run))
        else:
            run()

    def _seek_and_resume(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._assigned:
            self._seek(partition, offset)
            self._resume((partition,))

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        """Seek. Right after an assignment the client may not have begun with the partition yet: try again, bounded."""
        target = KafkaPartition(partition.topic, partition.partition, offset)
        if partition in self._dormant:
            self._client.incremental_assign([target])
            self._dormant.discard(partition)
            return
        for attempt in range(SEEK_TRIES):
            try:
                self._client.seek(target)
            except KafkaException as failure:
                error = kafka_error(failure)
                passing = error.code() in (KafkaError._STATE, KafkaError._TIMED_OUT)  # noqa: SLF001
                if not passing or attempt == SEEK_TRIES - 1:
                    raise BrokerError(Severity.ABORTABLE, error.name(), error.str(), partition) from failure
                time.sleep(SEEK_WAIT_S)
            else:
                return

    def _resume(self, partitions: Sequence[TopicPartition]) -> None:
        owned = self._owned(partitions)
        self._client.resume(_kafka(owned))
        self._asleep.update(owned)

    def _owned(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [p for p in partitions if p in self._assigned and p not in self._dormant]

    # --- what librdkafka calls -----------------------------------------------------------------------------------

    def _on_assign(self, client: Client, partitions: list[KafkaPartition]) -> None:
        came = _plain(partitions)
        client.incremental_assign([])
        self._assigned.update(came)
        self._dormant.update(came)
        self._rebalanced = self._worked = True
        if came:
            self._tell("assigned", came)

    def _on_revoke(self, client: Client, partitions: list[KafkaPartition]) -> None:
        self._let_go(client, _plain(partitions), "revoked")

    def _on_lost(self, client: Client, partitions: list[KafkaPartition]) -> None:
        self._let_go(client, _plain(partitions), "lost")

    def _let_go(self, client: Client, partitions: list[TopicPartition], how: str) -> None:
        self._rebalanced = True
        if partitions:
            self._tell(how, partitions)
        client.incremental_unassign(_kafka(self._owned(partitions)))
        self._assigned.difference_update(partitions)
        self._dormant.difference_update(partitions)

    def _tell(self, what: str, partitions: list[TopicPartition]) -> None:
        try:
            getattr(self._rebalance, what)(partitions)
        except Exception as failure:  # noqa: BLE001 - raised again by poll or close, on this same thread
            self._failure = self._failure or failure

    def _client_error(self, failed: KafkaError) -> None:
        """Keep what polling on cannot cure. Wrong credentials: only until we have worked once; later they pass."""
        error = consuming(failed)
        if error is None and failed.code() in CREDENTIALS and not self._worked:
            error = BrokerError(Severity.FATAL, failed.name(), failed.str())
        if error is None:
            log.debug("kafka_client_error", code=failed.name(), detail=failed.str())
        else:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _record(message: Any) -> Record:  # noqa: ANN401 - the client's type says "or None" where only errors have None
    headers = message.headers()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        tuple([(name, value or b"") for name, value in headers]) if headers else (),
        message.timestamp()[1],
    )


def _plain(partitions: Iterable[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in partitions]


def _kafka(partitions: Iterable[TopicPartition]) -> list[KafkaPartition]:
    return [KafkaPartition(p.topic, p.partition) for p in partitions]
