"""The librdkafka properties that darkroom's protocol depends on, and so sets itself; `kafka.client` may not name them.

Exactly once is a property of these values together. A pass-through that changed one would fail silently, so each is
refused by name, with the setting to use instead where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMIT = "positions are committed in the transaction that carries their outputs"
_ORDER = "order and idempotence need the default"
_TIMEOUT = "set kafka.transaction_timeout_s"
_CODE = "a callback cannot stand in a configuration"
_WATCHED = "darkroom reads librdkafka's log and figures to notice silent resends"

OWNED: Mapping[str, str] = {
    "acks": "transactions need all",
    "allow.auto.create.topics": "topics are made by `darkroom topics create` only",
    "auto.commit.enable": _COMMIT,
    "auto.commit.interval.ms": _COMMIT,
    "auto.offset.reset": "a missing position is an error to be decided on, never a silent jump",
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "client.id": "named by darkroom, so that a broker's log tells worker from publisher",
    "debug": _WATCHED,
    "delivery.report.only.error": "darkroom asks for failures only",
    "delivery.timeout.ms": _TIMEOUT,
    "enable.auto.commit": _COMMIT,
    "enable.auto.offset.store": _COMMIT,
    "enable.gapless.guarantee": "belongs to the transactional protocol",
    "enable.idempotence": "transactions need it",
    "enable.partition.eof": "the engine does not expect these events",
    "error_cb": _CODE,
    "group.id": "set kafka.group",
    "group.instance.id": "set kafka.static_membership: each worker needs a name of its own",
    "group.protocol": "set kafka.group_protocol",
    "group.remote.assignor": "the engine moves partitions one by one; the broker's default does that",
    "isolation.level": "read_committed is what makes outputs appear once",
    "log.connection.close": _WATCHED,
    "log.queue": _WATCHED,
    "log_level": _WATCHED,
    "logger": _CODE,
    "max.in.flight": _ORDER,
    "max.in.flight.requests.per.connection": _ORDER,
    "message.send.max.retries": _ORDER,
    "message.timeout.ms": _TIMEOUT,
    "metadata.recovery.strategy": "after a re-bootstrap librdkafka does not find the transaction coordinator again",
    "on_commit": _CODE,
    "on_delivery": _CODE,
    "partition.assignment.strategy": "the engine moves partitions one by one: cooperative-sticky",
    "partitioner": "murmur2_random everywhere, or keys land on other partitions than Java's clients put them",
    "request.required.acks": "transactions need all",
    "retries": _ORDER,
    "retry.backoff.ms": "5 ms: the default costs 100 ms a transaction",
    "session.timeout.ms": "set kafka.session_timeout_s",
    "statistics.interval.ms": _WATCHED,
    "stats_cb": _CODE,
    "test.mock.num.brokers": "the embedded broker is for `darkroom demo` only",
    "transaction.timeout.ms": _TIMEOUT,
    "transactional.id": "set kafka.transactional_id",
}
"""Property -> why it is not the configuration's to set. A test holds this to what the Kafka adapter owns."""


def refused(client: Mapping[str, object]) -> dict[str, str]:
    """Return the properties of a `kafka.client` table that may not be set there, each with the reason."""
    bare = {name: name.strip().lower().removeprefix("default.topic.").removeprefix("topic.") for name in sorted(client)}
    return {name: OWNED[short] for name, short in bare.items() if short in OWNED}
