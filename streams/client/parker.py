"""Sends what a subscriber cannot handle to ``<group>.parked``, and returns only when Kafka has it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from streams.client.errors import ParkingError, RefusedError
from streams.client.kafka import ensure_topic
from streams.client.parking import park_record
from streams.client.sender import Sender

if TYPE_CHECKING:
    from schemas.headers import DeadLetter
    from schemas.record import Record
    from streams.client.parts import Parts

_DELIVERY_S = 10.0


class Parker:
    """One group's car park. Its producer is made when the first event needs it."""

    def __init__(self, parts: Parts, group: str) -> None:
        self._parts = parts
        self._group = group
        self._topic = parts.topics.parked(group)

    @property
    def topic(self) -> str:
        """The name of the parked topic."""
        return self._topic.name

    def ensure(self) -> None:
        """Make the parked topic unless it is there: the first event that fails is too late to miss it."""
        remedy = f"Without the right to make topics, have `darkroom parked create {self._group}` run for you"
        ensure_topic(self._parts.kafka, self._topic, timeout_s=self._parts.timeout_s, remedy=remedy)

    def park(self, original: Record, letter: DeadLetter, attempts: int) -> None:
        """Park it. Raise `Transient` if that may work later, `ParkingError` if Kafka does not take it."""
        sent = self._sender.send(park_record(self._topic.name, self._group, original, letter, attempts))
        try:
            sent.result()
        except RefusedError as error:
            place = f"{letter.topic}/{letter.partition}/{letter.offset}"
            raise ParkingError(f"{place} cannot be parked on {self._topic.name}: {error}") from error
        structlog.get_logger().error(
            "event_parked",
            group=self._group,
            topic=letter.topic,
            partition=letter.partition,
            offset=letter.offset,
            stage=letter.stage,
            error=f"{letter.class_name}: {letter.message}",
            attempts=attempts,
        )

    def close(self) -> None:
        """Stop the producer, if there was need of one."""
        sender = self.__dict__.get("_sender")
        if sender is not None:
            sender.close()

    @cached_property
    def _sender(self) -> Sender:
        return Sender(
            self._parts.kafka,
            client_id="darkroom-parker",
            delivery_s=_DELIVERY_S,
            largest=self._topic.max_message_bytes,
        )
