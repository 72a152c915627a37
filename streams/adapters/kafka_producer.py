"""A transactional producer on confluent-kafka: one call of the port is one call of the client, its errors translated.

It adds two things: which RECORDS were refused for good (the client only says that the transaction failed), and a
count of everything that may have made librdkafka resend a request without a word. When to begin, retry, abort or
take a new epoch is the committer's business.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as Client
from confluent_kafka import TopicPartition as KafkaPartition

from streams.adapters.kafka_errors import RECORD_REFUSED, kafka_error, transactional
from streams.adapters.kafka_log import ClientLog
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import Message

    from schemas.record import Outgoing, TopicPartition
    from streams.runtime.ports import GroupMetadata, Position, Settings

QUEUE_FULL_WAIT_S = 1.0
FLUSH_SLICE_S = 0.05
"""How late a refusal is noticed while other records are still under way."""
PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001 - what an abort took back
DISTURBING_LINES = frozenset({"FAIL", "REQTMOUT"})
"""librdkafka's facilities for "disconnected" and "no answer in time": it sends again what was not answered."""
DISTURBING_COUNTERS = ("disconnects", "req_timeouts")
"""The same in the statistics of each broker. Not ``txretries``: it also grows with every CONCURRENT_TRANSACTIONS, which
is an answer, and one comes with most transactions that follow each other closely."""


class KafkaProducer:
    """The producer of one transactional id. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        callbacks: Settings = {"stats_cb": self._statistics, "error_cb": _ignore}
        self._client: Client | None = Client({**settings, **callbacks}, logger=ClientLog(self._hear))
        self._refused: dict[int, BrokerError] = {}
        self._told = 0
        """Disturbances that log lines and deliveries told of: at once; the statistics are up to a second late."""
        self._counted = 0

    def init_transactions(self, timeout: float) -> None:
        """Fence older producers of this id and resolve what they left open."""
        self._call("init_transactions", lambda client: client.init_transactions(timeout))

    def begin(self) -> None:
        """Begin a transaction."""
        self._refused.clear()
        self._call("begin", lambda client: client.begin_transaction())

    def produce(self, index: int, record: Outgoing) -> None:
        """Queue a record. One that is too large is not raised but found in `refused`, like any other refused one."""
        client = self._open()
        try:
            self._queue(client, index, record)
        except BufferError:  # the client's queue is full: let it deliver some
            client.flush(QUEUE_FULL_WAIT_S)
            try:
                self._queue(client, index, record)
            except BufferError as full:
                raise BrokerError(Severity.RETRIABLE, "_QUEUE_FULL") from full

    def send_offsets(self, positions: Mapping[TopicPartition, Position], group: GroupMetadata, timeout: float) -> None:
        """Make these positions part of the transaction."""
        offsets = [
            KafkaPartition(p.topic, p.partition, position.offset, position.metadata)
            for p, position in positions.items()
            if position.offset is not None
        ]
        self._call("send_offsets", lambda client: client.send_offsets_to_transaction(offsets, group, timeout))

    def deliver(self, timeout: float) -> None:
        """Wait until every queued record was delivered. ABORTABLE if one was refused: the transaction is not whole.

        The client's own commit waits for them too, but a refusal that comes meanwhile makes it wait out its time-out,
        and then nothing but the same call again is allowed.
        """
        end = time.monotonic() + timeout
        while self._call("deliver", lambda client: client.flush(FLUSH_SLICE_S)) and not self._refused:
            if time.monotonic() >= end:
                raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT", "records are still under way")
        if self._refused:
            index, error = next(iter(self._refused.items()))
            raise BrokerError(Severity.ABORTABLE, error.code, f"record {index} was refused: {error.detail}")

    def commit(self, timeout: float) -> None:
        """Commit what `deliver` has delivered."""
        self._call("commit", lambda client: client.commit_transaction(timeout))

    def flush(self, timeout: float) -> None:
        """Wait until every queued record was delivered or refused."""
        if self._call("flush", lambda client: client.flush(timeout)):
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT", "records are still under way")

    def abort(self, timeout: float) -> None:
        """Abort. Call `flush` first: aborting under a produce request in flight can be fatal (librdkafka 4849)."""
        self._call("abort", lambda client: client.abort_transaction(timeout))

    def refused(self) -> dict[int, BrokerError]:
        """Return, and forget, the records of the running transaction that will never be taken, by index."""
        refused, self._refused = self._refused, {}
        return refused

    def disturbances(self) -> int:
        """Return a counter that grows with every disconnect and unanswered request, as far as the client knows."""
        if self._client is not None:
            self._client.poll(0)  # log lines and statistics come to whoever polls
        return self._told + self._counted

    def close(self) -> None:
        """Discard the producer at once: what is queued or in flight is dropped, an open transaction left as it is."""
        if self._client is not None:
            client, self._client = self._client, None
            client.purge(in_queue=True, in_flight=True, blocking=False)

    def _queue(self, client: Client, index: int, record: Outgoing) -> None:
        try:
            client.produce(
                record.topic,
                record.value,
                record.key,
                on_delivery=partial(self._failed, index),
                headers=list(record.headers),
            )
        except KafkaException as failure:
            if kafka_error(failure).code() not in RECORD_REFUSED:
                raise transactional("produce", failure) from failure
            self._refused[index] = _refusal(kafka_error(failure))

    def _failed(self, index: int, error: KafkaError | None, _message: Message) -> None:
        """Note a delivery that failed through its own fault; whatever else fails, fails the transaction.

        A record that the broker refused leaves a gap in the sequence numbers, abort or not: the next transaction would
        fail with OUT_OF_ORDER_SEQUENCE_NUMBER. So it counts as a disturbance, and the committer takes a new epoch.
        """
        if error is None or error.code() in PURGED:
            return
        self._told += 1
        if error.code() in RECORD_REFUSED:
            self._refused[index] = _refusal(error)

    def _call(self, name: str, call: Callable[[Client], Any]) -> Any:  # noqa: ANN401 - only flush returns something
        try:
            return call(self._open())
        except KafkaException as failure:
            raise transactional(name, failure) from failure

    def _open(self) -> Client:
        if self._client is None:
            raise BrokerError(Severity.FATAL, "_DESTROY", "the producer is closed")
        return self._client

    def _hear(self, facility: str, _line: str) -> None:
        self._told += facility in DISTURBING_LINES

    def _statistics(self, text: str) -> None:
        brokers = json.loads(text)["brokers"].values()
        self._counted = sum(broker[counter] for broker in brokers for counter in DISTURBING_COUNTERS)


def _refusal(error: KafkaError) -> BrokerError:
    return BrokerError(Severity.ABORTABLE, error.name(), error.str())


def _ignore(_error: KafkaError) -> None:
    """Transport errors, which librdkafka deals with by itself; without this it prints them."""
