"""The librdkafka properties that darkroom's protocol depends on, and so sets itself; `kafka.client` may not name them.

Exactly once is a property of these values together. A pass-through that changed one would fail silently, so each is
refused by name, with the setting to use instead where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNED: Mapping[str, str] = {
    "acks": "transactions need all",
    "allow.auto.create.topics": "topics are made by `darkroom topics create` only",
    "auto.offset.reset": "a missing position is an error to be decided on, never a silent jump",
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "client.id": "named by darkroom, so that a broker's log tells worker from publisher",
    "delivery.timeout.ms": "set kafka.transaction_timeout_s",
    "enable.auto.commit": "positions are committed in the transaction that carries their outputs",
    "enable.auto.offset.store": "positions are committed in the transaction that carries their outputs",
    "enable.gapless.guarantee": "belongs to the transactional protocol",
    "enable.idempotence": "transactions need it",
    "enable.partition.eof": "the engine does not expect these events",
    "group.id": "set kafka.group",
    "group.protocol": "set kafka.group_protocol",
    "group.remote.assignor": "the engine moves partitions one by one; the broker's default does that",
    "isolation.level": "read_committed is what makes outputs appear once",
    "max.in.flight": "order and idempotence need the default",
    "max.in.flight.requests.per.connection": "order and idempotence need the default",
    "message.timeout.ms": "set kafka.transaction_timeout_s",
    "partition.assignment.strategy": "the engine moves partitions one by one: cooperative-sticky",
    "partitioner": "murmur2_random everywhere, or keys land on other partitions than Java's clients put them",
    "retry.backoff.ms": "5 ms: the default costs 100 ms a transaction",
    "session.timeout.ms": "set kafka.session_timeout_s",
    "test.mock.num.brokers": "the embedded broker is for `darkroom demo` only",
    "transaction.timeout.ms": "set kafka.transaction_timeout_s",
    "transactional.id": "set kafka.transactional_id",
}
"""Property -> why it is not the configuration's to set."""


def refused(client: Mapping[str, object]) -> dict[str, str]:
    """Return the properties of a `kafka.client` table that may not be set there, each with the reason."""
    return {
        name: OWNED[bare]
        for name in sorted(client)
        if (bare := name.strip().lower().removeprefix("topic.")) in OWNED or (bare := name.strip().lower()) in OWNED
    }
