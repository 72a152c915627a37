"""The floor: the shortest transactional loop that a user of confluent-kafka would write by hand.

Take what is there, up to 500 records; answer each; one transaction with the answers and the positions. One thread, and
a slow record holds all. The client's settings are ours, because with its defaults it is ten times slower.
"""

from __future__ import annotations

import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.bench.peers.events import HEAD

BATCH = 500


def main(bootstrap: str, source: str, sink: str, group: str, *_: str) -> None:
    """Work until killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 100,
            "fetch.queue.backoff.ms": 10,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": group,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 1,
            "retry.backoff.ms": 5,
        }
    )
    producer.init_transactions()
    consumer.subscribe([source])
    while True:
        messages = consumer.consume(BATCH, 0)
        if not messages:
            first = consumer.poll(0.1)
            messages = [] if first is None else [first]
        messages = [message for message in messages if message.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        ends: dict[int, int] = {}
        for message in messages:
            value, partition, offset = message.value(), message.partition(), message.offset()
            assert value is not None
            assert partition is not None
            assert offset is not None
            sleep_us = HEAD.unpack_from(value)[1]
            if sleep_us:
                time.sleep(sleep_us / 1e6)
            producer.produce(sink, value, message.key())
            ends[partition] = offset + 1
        positions = [TopicPartition(source, partition, offset) for partition, offset in ends.items()]
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
        producer.commit_transaction()


if __name__ == "__main__":
    main(*sys.argv[1:])
