"""The client's edge to librdkafka: which properties the protocol owns, and errors in words that name the address.

Neither retries nor threads are here; `sender` and `feed` own their handles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import Transient, Unavailable
from schemas.record import Record
from streams.client.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka import Message

    from schemas.topics import Topic

    HeaderList = list[tuple[str, str | bytes | None]]

_UNREACHABLE: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own errors are spelt with an underscore
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)

# Said by exceptions and log events instead: a library does not write to its host's stderr. `log_level` passes through.
_QUIET: Final = {"log_level": 2}


def producer_properties(kafka: Mapping[str, Any], *, client_id: str, delivery_s: float, largest: int) -> dict[str, Any]:
    """Return the properties of an idempotent producer that gives up on a record after ``delivery_s`` seconds."""
    return {
        **_QUIET,
        "linger.ms": 5,
        "compression.type": "lz4",
        **kafka,
        "client.id": client_id,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "message.timeout.ms": max(1, round(delivery_s * 1000)),
        # The broker's limit counts the batch around the record, so it has the last word on a record close to it.
        "message.max.bytes": largest,
    }


def consumer_properties(kafka: Mapping[str, Any], *, client_id: str, group: str, session_s: float) -> dict[str, Any]:
    """Return the properties of a consumer that commits nothing by itself and reads committed records only."""
    session = {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": round(session_s * 1000),
        "heartbeat.interval.ms": max(100, round(session_s * 1000 / 5)),
    }
    return {
        **_QUIET,
        "queued.max.messages.kbytes": 16 * 1024,
        **kafka,
        **({} if kafka.get("group.protocol") == "consumer" else session),  # with KIP-848 these are the broker's
        "client.id": client_id,
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Where to start is decided and committed once, when the group is new; a position that got lost is an error.
        "auto.offset.reset": "error",
    }


def make_consumer(properties: Mapping[str, Any]) -> Consumer:
    """Make a consumer. Raise `RefusedError` for properties that librdkafka does not take."""
    try:
        return Consumer(dict(properties))
    except KafkaException as error:
        raise _unusable(error) from error


def make_producer(properties: Mapping[str, Any]) -> Producer:
    """Make a producer. Raise `RefusedError` for properties that librdkafka does not take."""
    try:
        return Producer(dict(properties))
    except KafkaException as error:
        raise _unusable(error) from error


def make_admin(kafka: Mapping[str, Any]) -> AdminClient:
    """Make an admin client. Raise `RefusedError` for properties that librdkafka does not take."""
    try:
        return AdminClient({**_QUIET, **kafka, "client.id": "darkroom-client"})
    except KafkaException as error:
        raise _unusable(error) from error


def _unusable(error: KafkaException) -> RefusedError:
    inner = kafka_error(error)
    return RefusedError(inner.name(), f"{inner.str()} (kafka.client, or the group's name)")


def address(kafka: Mapping[str, Any]) -> str:
    """Return which brokers are asked, and the setting that says so."""
    return f"{kafka.get('bootstrap.servers', '(none)')} (kafka.bootstrap_servers)"


def translate(error: KafkaError, where: str, doing: str, hint: str = "") -> Transient | RefusedError:
    """Turn a library error into ours: `Unavailable`, `Transient` where trying again helps, else `RefusedError`."""
    detail = f"{doing}: {error.str()}{hint}"
    if error.code() in _UNREACHABLE:
        return Unavailable("kafka", f"{where}: {detail}")
    if error.retriable():
        return Transient(f"{where}: {detail}")
    return RefusedError(error.name(), detail)


def kafka_error(error: KafkaException) -> KafkaError:
    """Return what is in the exception."""
    inner = error.args[0]
    return inner if isinstance(inner, KafkaError) else KafkaError(KafkaError._FAIL, str(inner))  # noqa: SLF001


def as_record(message: Message) -> Record:
    """Turn a message without an error into a plain value."""
    headers = tuple((str(name), _bytes(value)) for name, value in cast("HeaderList", message.headers() or []))
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("not a consumed message")
    return Record(
        topic, partition, offset, _maybe(message.key()), _maybe(message.value()), headers, message.timestamp()[1]
    )


def demand_topics(kafka: Mapping[str, Any], names: Iterable[str], *, timeout_s: float) -> None:
    """Raise `Unavailable` unless a broker answers, `RefusedError` for the first topic that is missing or not ours."""
    admin = make_admin(kafka)
    for name in names:
        partitions_of(admin, name, timeout_s=timeout_s, where=address(kafka))


def partitions_of(
    client: AdminClient | Consumer | Producer, name: str, *, timeout_s: float, where: str, hint: str = ""
) -> list[int]:
    """Return the numbers of a topic's partitions. Raise as `demand_topics` does."""
    try:
        known = client.list_topics(name, timeout=timeout_s).topics[name]
    except KafkaException as error:
        raise translate(kafka_error(error), where, "asking for metadata", hint) from error
    if known.error is not None:
        missing = known.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
        remedy = "`darkroom topics create` makes it" if missing else "docs/acls.md lists the rights"
        raise translate(known.error, where, f"topic {name}", f"; {remedy}")
    return sorted(known.partitions)


def ensure_topic(kafka: Mapping[str, Any], topic: Topic, *, timeout_s: float, remedy: str) -> None:
    """Make the topic unless it is there. Raise `Unavailable`, or `RefusedError` with the remedy if we may not."""
    admin = make_admin(kafka)
    try:
        if topic.name in admin.list_topics(timeout=timeout_s).topics:
            return
        made = admin.create_topics(
            [NewTopic(topic.name, topic.partitions, topic.replication, config=dict(topic.config))],
            operation_timeout=timeout_s,
            request_timeout=timeout_s,
        )
        made[topic.name].result()
    except KafkaException as error:
        inner = kafka_error(error)
        if inner.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        raised = translate(inner, address(kafka), f"looking for or making topic {topic.name}")
        if isinstance(raised, RefusedError):
            raise RefusedError(raised.code, f"{raised.detail}. {remedy}") from error
        raise raised from error


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _maybe(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
