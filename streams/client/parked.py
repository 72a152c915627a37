"""Looks at what a group's subscribers parked, and puts it back: what the verb `darkroom parked` calls.

An event that was put back is delivered again to that group only, by the parked topic itself (see `parking`). Putting
back twice at the same moment delivers twice, as any at-least-once delivery may; the event id tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from schemas.errors import Unavailable
from streams.client.kafka import (
    address,
    as_record,
    consumer_properties,
    kafka_error,
    make_consumer,
    partitions_of,
    translate,
)
from streams.client.parker import Parker
from streams.client.parking import put_back_place, put_back_record, read_parked
from streams.client.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemas.record import Record
    from streams.client.parking import Parked
    from streams.client.parts import Parts

_DELIVERY_S: Final = 30.0
_SESSION_S: Final = 45.0


def create_parked_topic(parts: Parts, group: str) -> str:
    """Make the group's parked topic unless it is there, and return its name."""
    parker = Parker(parts, group)
    parker.ensure()
    return parker.topic


def list_parked(parts: Parts, group: str) -> list[Parked]:
    """Return what is parked and was not put back since, oldest first.

    Raise `Unavailable` if no broker answers, `RefusedError` if the group never had a parked topic.
    """
    parked: dict[str, Parked] = {}
    for record in _read_all(parts, parts.topics.parked(group).name):
        place = put_back_place(record)
        found = read_parked(record) if place is None else None
        if place is not None:
            parked.pop(place, None)
        elif found is not None:
            parked[found.place] = found
    return sorted(parked.values(), key=lambda each: each.parked_at_ms)


def put_back(parts: Parts, group: str, events: Iterable[Parked]) -> int:
    """Have these delivered again to the group and return how many they are; choose them from `list_parked`.

    Returns when Kafka has them. Raise `Unavailable` or `RefusedError` for the first that it did not take; running it
    again on a new list puts back the rest.
    """
    topic = parts.topics.parked(group)
    sender = Sender(parts.kafka, client_id="darkroom-parked", delivery_s=_DELIVERY_S, largest=topic.max_message_bytes)
    try:
        sent = [sender.send(put_back_record(topic.name, each)) for each in events]
        for each in sent:
            each.result()
    finally:
        sender.close()
    return len(sent)


def _read_all(parts: Parts, topic: str) -> Iterator[Record]:
    """Yield every record that is on the topic now, in order within a partition."""
    properties = consumer_properties(
        parts.kafka, client_id="darkroom-parked", group="darkroom-parked", session_s=_SESSION_S
    )
    consumer = make_consumer(properties)
    try:
        yield from _read_to_end(consumer, topic, parts)
    except KafkaException as error:
        raise translate(kafka_error(error), address(parts.kafka), f"reading {topic}") from error
    finally:
        consumer.close()


def _read_to_end(consumer: Consumer, topic: str, parts: Parts) -> Iterator[Record]:
    ends = {}
    for number in partitions_of(consumer, topic, timeout_s=parts.timeout_s, where=address(parts.kafka)):
        low, high = consumer.get_watermark_offsets(KafkaPartition(topic, number), timeout=parts.timeout_s) or (0, 0)
        if low < high:
            ends[KafkaPartition(topic, number, low)] = high
    consumer.assign(list(ends))
    left = {partition.partition: high for partition, high in ends.items()}
    while left:
        message = consumer.poll(parts.timeout_s)
        if message is None:
            raise Unavailable("kafka", f"{address(parts.kafka)}: {topic} was not read to its end in time")
        error = message.error()
        if error is not None:
            raise translate(error, address(parts.kafka), f"reading {topic}")
        record = as_record(message)
        if record.offset + 1 >= left.get(record.partition, 0):
            left.pop(record.partition, None)
        yield record
