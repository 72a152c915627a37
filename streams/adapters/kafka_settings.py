"""The librdkafka settings of every kind of client: what the protocol owns, and what it presets but leaves open.

Names and meanings: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from schemas.topics import MAX_FAILED_BYTES
from streams.runtime.ports import Settings  # noqa: TC001 - an alias that a constant is annotated with

if TYPE_CHECKING:
    from collections.abc import Iterable

OWNED = frozenset(
    {
        "acks",
        "auto.commit.enable",
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "debug",
        "delivery.report.only.error",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "enable.partition.eof",
        "error_cb",
        "group.id",
        "group.protocol",
        "isolation.level",
        "log.connection.close",
        "log.queue",
        "log_level",
        "logger",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "metadata.recovery.strategy",
        "message.send.max.retries",
        "message.timeout.ms",
        "on_commit",
        "on_delivery",
        "partition.assignment.strategy",
        "partitioner",
        "request.required.acks",
        "retries",
        "session.timeout.ms",
        "statistics.interval.ms",
        "stats_cb",
        "test.mock.num.brokers",
        "transaction.timeout.ms",
        "transactional.id",
    }
)
"""Exactly-once rests on these, or they have a setting of their own; everything else passes through."""
NO_REBOOTSTRAP: Settings = {"metadata.recovery.strategy": "none"}
"""By default librdkafka 2.16 throws its brokers away and starts over when all connections are down; the transaction's
coordinator is not found again after that, and send_offsets then hangs for minutes whatever its time-out says."""
PARTITIONER = "murmur2_random"
"""As Java's and Faust's; librdkafka's default puts 9 keys of 10 elsewhere, and the key orders the events."""


def refused_settings(client: Settings) -> list[str]:
    """Return the names among the user's settings that the protocol owns, sorted; also by their topic-level spelling."""
    return sorted(name for name in client if name in OWNED or name.removeprefix("default.topic.") in OWNED)


@dataclass(frozen=True, slots=True)
class Timing:
    """How one of us belongs to the group, and how long the group and the brokers wait for it."""

    group_protocol: Literal["classic", "consumer"] = "classic"
    session_s: float = 10.0
    """Classic only: a killed worker is noticed after this long. With ``consumer`` the broker decides (45 s)."""
    transaction_s: float = 10.0
    """A killed worker's open transaction holds up every read_committed reader for this long."""
    instance: str | None = None
    """Classic only: this member's name of its own, by which the group knows it again after a restart. Such a member
    does not leave the group when it closes, it only falls silent.
    """


def consumer_settings(client: Settings, group: str, timing: Timing) -> Settings:
    """Return the settings of one group member."""
    presets: Settings = {
        # 64 MB a consumer by default; a pause throws away whatever was fetched ahead.
        "queued.max.messages.kbytes": 8192,
        # How long fetching stops when that is full: with the default of 1000, 24 000 records/s instead of 148 000.
        "fetch.queue.backoff.ms": 10,
        # A resumed partition waits until the fetch that is under way comes back.
        "fetch.wait.max.ms": 100,
    }
    owned: Settings = {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Positions come from the engine; one that the log no longer has is an error, never a silent jump.
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
    }
    if timing.group_protocol == "consumer":
        owned["group.protocol"] = "consumer"
    else:
        owned["partition.assignment.strategy"] = "cooperative-sticky"
        owned["session.timeout.ms"] = _ms(timing.session_s)
        presets["heartbeat.interval.ms"] = min(3000, _ms(timing.session_s / 3))
        if timing.instance is not None:
            owned["group.instance.id"] = timing.instance
    return presets | _without(client, ("partition.assignment.strategy",)) | owned | NO_REBOOTSTRAP


def producer_settings(client: Settings, transactional_id: str, timing: Timing) -> Settings:
    """Return the settings of one transactional producer."""
    presets: Settings = {
        "linger.ms": 1,
        # The wait before a transaction that meets the previous one's markers is tried again: 100 ms by default.
        "retry.backoff.ms": 5,
        "compression.type": "lz4",
        # A frozen broker is given up after this (60 s by default); send_offsets looks at its time-out no sooner.
        "socket.timeout.ms": _ms(timing.transaction_s),
        # 1 000 000 by default: the client would refuse a failed event that keeps a large original whole.
        "message.max.bytes": MAX_FAILED_BYTES,
    }
    owned: Settings = {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": _ms(timing.transaction_s),
        # librdkafka wants it no longer than the transaction's; a record later than that could only be aborted.
        "message.timeout.ms": _ms(timing.transaction_s),
        "enable.idempotence": True,
        "partitioner": PARTITIONER,
        # Successes never reach Python.
        "delivery.report.only.error": True,
        # Disconnects are told by log lines of level 6.
        "log_level": 6,
        "log.connection.close": True,
        "statistics.interval.ms": 1000,
    }
    return presets | _without(client, ("group.instance.id",)) | owned | NO_REBOOTSTRAP


def admin_settings(client: Settings) -> Settings:
    """Return the settings of an admin client."""
    return _without(client, ("group.instance.id",)) | NO_REBOOTSTRAP


def _without(settings: Settings, names: Iterable[str]) -> Settings:
    return {name: value for name, value in settings.items() if name not in names}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
