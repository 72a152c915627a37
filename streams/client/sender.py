"""An idempotent producer with the thread that serves its delivery reports: one future per record, none forgotten.

It knows nothing of events. Thread-safe. A record that could not be delivered fails its future with `RefusedError` or
`Unavailable`; nothing is dropped silently, and nothing is sent twice.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, Producer

from schemas.errors import Unavailable
from streams.client.errors import ClosedError
from streams.client.kafka import address, kafka_error, make_producer, partitions_of, producer_properties, translate
from streams.client.process import HomeProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError, Message

    from schemas.record import Outgoing

_SERVE_S = 0.1
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a record landed."""

    topic: str
    partition: int
    offset: int | None
    """None if the broker knew the record from a first sending, but (restarted since) no longer its place."""


def landed(message: Message) -> Delivery:
    """Return where a confirmed record landed."""
    return Delivery(str(message.topic()), message.partition() or 0, message.offset())


class Sender:
    """Owns one producer and its thread until `close`."""

    def __init__(self, kafka: Mapping[str, Any], *, client_id: str, delivery_s: float, largest: int) -> None:
        self._where = address(kafka)
        self._delivery_s = delivery_s
        self._home = HomeProcess("publisher")
        self._last_error = ""
        properties = producer_properties(kafka, client_id=client_id, delivery_s=delivery_s, largest=largest)
        self._producer = make_producer({**properties, "error_cb": self._note})
        self._moved = threading.Condition()
        self._pending = 0
        self._closed = False
        self._thread = threading.Thread(target=self._serve, args=(self._producer,), name=client_id, daemon=True)
        self._thread.start()

    def send(self, record: Outgoing) -> Future[Delivery]:
        """Queue one record; blocks only while librdkafka's queue is full. Raise `ClosedError` or `ForkedError`."""
        self._home.demand()
        future: Future[Delivery] = Future()
        with self._moved:
            if self._closed:
                raise ClosedError("this publisher is closed")
            self._pending += 1
        try:
            self._queue(record, future)
        except KafkaException as error:
            self._settle(future, kafka_error(error), None)
        except BaseException:
            self._forget()
            raise
        return future

    def check(self, topic: str, timeout_s: float) -> None:
        """Raise `Unavailable` unless a broker answers, `RefusedError` unless the topic is there."""
        self._home.demand()
        partitions_of(self._producer, topic, timeout_s=timeout_s, where=self._where, hint=self._hint())

    def flush(self) -> None:
        """Wait until every queued record was delivered or refused; librdkafka's time limit bounds this."""
        self._home.demand()
        limit = self._delivery_s + _GRACE_S
        with self._moved:
            if not self._moved.wait_for(lambda: self._pending == 0, timeout=limit):
                self._producer.purge()  # cannot happen while librdkafka keeps its own limit; if it does, say so
                self._moved.wait_for(lambda: self._pending == 0, timeout=_GRACE_S)

    def close(self) -> None:
        """Take nothing more, flush, stop the thread. In a forked child: nothing, the parent does it."""
        if not self._home.is_here():
            return
        with self._moved:
            self._closed = True
        self.flush()
        if threading.current_thread() is not self._thread:
            self._thread.join(_GRACE_S)

    def _queue(self, record: Outgoing, future: Future[Delivery]) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            self._settle(future, error, message)

        give_up = monotonic() + self._delivery_s
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    on_delivery=delivered,
                )
            except BufferError as error:
                if monotonic() > give_up:
                    raise Unavailable("kafka", f"{self._where}: the send queue stayed full{self._hint()}") from error
                with self._moved:
                    self._moved.wait(_SERVE_S)
            else:
                return

    def _settle(self, future: Future[Delivery], error: KafkaError | None, message: Message | None) -> None:
        try:
            if error is not None:
                future.set_exception(self._explain(error, "publishing"))
            elif message is not None:
                future.set_result(landed(message))
        finally:
            self._forget()

    def _forget(self) -> None:
        with self._moved:
            self._pending -= 1
            self._moved.notify_all()

    def _serve(self, producer: Producer) -> None:
        """Serve delivery reports until closed; ``producer`` is a local on purpose, see `streams.client.process`."""
        while True:
            producer.poll(_SERVE_S)
            with self._moved:
                if self._closed and self._pending == 0:
                    return

    def _note(self, error: KafkaError) -> None:
        self._last_error = error.str()

    def _explain(self, error: KafkaError, doing: str) -> Exception:
        return translate(error, self._where, doing, self._hint())

    def _hint(self) -> str:
        return f" (last error: {self._last_error})" if self._last_error else ""
