"""A group's committed offsets with their metadata, read by a consumer that never joins the group.

Not by the admin client, although it has a call for this: when the coordinator is new or has moved and answers "not
yet" or "not me", librdkafka's admin call follows a null pointer and takes the process down with it (seen with 2.16 on
a fresh broker, and read off the stack: rd_kafka_handle_OffsetFetch asks the consumer group that an admin client has
not). A consumer has one, and asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from streams.adapters.kafka_log import ClientLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import TopicPartition

OF_MEMBERS = frozenset({"group.instance.id", "heartbeat.interval.ms", "max.poll.interval.ms", "session.timeout.ms"})
"""Settings of membership; they are checked against each other even where nobody joins."""
UNSTABLE_S = 1.0
"""The consumer waits while a transaction with offsets of a partition is open. Answers take milliseconds, so after this
long it is time to find out why there is none."""


class CommittedOffsets:
    """Reads one group's offsets. Connects at the first question; for one thread at a time."""

    def __init__(self, settings: Mapping[str, Any], group: str) -> None:
        kept = {name: value for name, value in settings.items() if name not in OF_MEMBERS}
        self._settings = {**kept, "group.id": group, "enable.auto.commit": False}
        self._clients: dict[str, Consumer] = {}

    def read(self, partitions: Sequence[TopicPartition], timeout: float, *, stable: bool) -> list[TopicPartition]:
        """Return the partitions with offset, metadata and error filled in; raise `KafkaException`.

        With ``stable`` a transaction that may still change one of them is ``UNSTABLE_OFFSET_COMMIT``, said soon.
        """
        if not stable:
            return self._ask("read_uncommitted", partitions, timeout)
        try:
            return self._ask("read_committed", partitions, min(timeout, UNSTABLE_S))
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError._TIMED_OUT:  # noqa: SLF001 - the library's public name
                raise
            self._ask("read_uncommitted", partitions, timeout)  # raises if it was no transaction but the broker
            raise KafkaException(KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)) from failure

    def _ask(self, isolation: str, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        if isolation not in self._clients:
            self._clients[isolation] = Consumer({**self._settings, "isolation.level": isolation}, logger=ClientLog())
        client = self._clients[isolation]
        client.poll(0)  # log lines pile up in the client until somebody takes them
        return client.committed(list(partitions), timeout=timeout)
