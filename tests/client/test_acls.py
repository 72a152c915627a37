"""The table of rights in docs/acls.md: with exactly these, every part does its work on a broker that checks them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, though not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.errors import DarkroomError
from schemas.record import Outgoing, TopicPartition
from streams.adapters.kafka import KafkaBroker
from streams.client.parked import list_parked, put_back
from streams.client.publisher import Publisher
from streams.client.uploads import Upload
from streams.client.waiter import Waiter
from streams.runtime.ports import Position
from tests.client.world import QUICK_S, ready
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.client.world import World

TABLE = Path(__file__).parents[2] / "docs" / "acls.md"
ROW = re.compile(r"\| (?P<part>\w+) \| (?P<kind>\w+) `(?P<name>[^`]+)` \| (?P<operations>[\w, ]+) \|")
GROUP = "GROUP"
PLACEHOLDERS = rf"{GROUP}|kafka\.group|kafka\.transactional_id"


@dataclass(frozen=True)
class Right:
    """One row of the table."""

    part: str
    kind: str
    name: str
    operations: tuple[str, ...]


def table() -> list[Right]:
    """Return the rows of the table."""
    rows = (ROW.match(line) for line in TABLE.read_text().splitlines())
    return [Right(row["part"], row["kind"], row["name"], tuple(row["operations"].split(", "))) for row in rows if row]


class Checked:
    """The installation as somebody sees it who has only the rights that were granted."""

    def __init__(self, world: World, group: str) -> None:
        if not world.stack.sasl_bootstrap:
            pytest.skip("the stack that was given has no listener that checks rights")
        self.world, self.group = world, group
        client = {**world.stack.sasl_client, "bootstrap.servers": world.stack.sasl_bootstrap}
        self.seen = world.having(kafka=client)
        self._user = f"User:{client['sasl.username']}"
        self._admin = AdminClient(dict(world.parts.kafka))
        # A resource without any rule is open to all on this stack; one that somebody else may use is closed to us.
        for kind, name in {(right.kind, self._real(right)) for right in table()}:
            self._bind(kind, name, "User:somebody-else", "Read")

    @contextmanager
    def granted(self, rights: Sequence[Right]) -> Iterator[None]:
        """Have these rights meanwhile."""
        given = [
            self._bind(right.kind, self._real(right), self._user, operation)
            for right in rights
            for operation in right.operations
        ]
        yield
        for future in self._admin.delete_acls(given).values():
            future.result(QUICK_S)

    def _real(self, right: Right) -> str:
        if right.kind == "Topic" and not right.name.startswith(GROUP):
            return f"{self.world.parts.topics.prefix}{right.name}"
        return re.sub(PLACEHOLDERS, self.group, right.name)

    def _bind(self, kind: str, name: str, user: str, operation: str) -> AclBindingFilter:
        """Make a rule and return what finds it again."""
        what: tuple[Any, ...] = ResourceType["TRANSACTIONAL_ID" if kind == "TransactionalId" else kind.upper()], name
        who: tuple[Any, ...] = (
            ResourcePatternType.LITERAL,
            user,
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )
        rule = AclBinding(*what, *who)
        self._admin.create_acls([rule])[rule].result(QUICK_S)
        return AclBindingFilter(*what, *who)


def publish(at: Checked) -> None:
    """Publish on both lanes, and delete."""
    with Publisher(at.seen.parts, delivery_s=5) as publisher:
        publisher.check()
        publisher.publish(Upload(b"x", "acme", "1"))
        publisher.publish(Upload(b"x", "acme", "2", lane="bulk"))
        publisher.delete(tenant="acme", image_id="1")


def subscribe(at: Checked) -> None:
    """Subscribe to everything, park one event, put it back and handle it."""
    with at.seen.subscriber(at.group, topics=("ready", "failed", "deleted")) as subscriber:
        at.world.say(ready("acme", "1"))
        message = subscriber.poll(QUICK_S)
        assert message is not None
        subscriber.park(ValueError("park it"))
        assert subscriber.poll(0) is None
        assert put_back(at.seen.parts, at.group, list_parked(at.seen.parts, at.group)) == 1
        again = subscriber.poll(QUICK_S)
        assert again is not None
        assert again.redelivered


def wait(at: Checked) -> None:
    """Hear an answer."""
    with Waiter(at.seen.parts) as waiter:
        answer = ready("acme", "1")
        at.world.say(answer)
        assert answer.cause.event_id is not None
        assert list(waiter.wait([answer.cause.event_id], QUICK_S)) == [answer]


class Assignment:
    """Remembers what a consumer was given."""

    def __init__(self) -> None:
        self.partitions: list[TopicPartition] = []

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """These came."""
        self.partitions += partitions

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """These go."""

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """These are gone."""


def work(at: Checked) -> None:
    """Do with Kafka all that a worker does: positions, offsets, an answer on each topic, one transaction."""
    topics = at.seen.parts.topics
    broker, given = KafkaBroker(dict(at.seen.parts.kafka)), Assignment()
    positions, consumer, producer = broker.positions(at.group), broker.consumer(at.group), broker.producer(at.group)
    positions.topic_ids([topic.name for topic in topics.all], QUICK_S)
    consumer.subscribe([topic.name for topic in topics.inputs], given)
    wait_until(lambda: consumer.poll(10, 0.1) or given.partitions, QUICK_S)
    positions.read(given.partitions, QUICK_S)
    positions.log_starts(given.partitions, QUICK_S)
    consumer.seek(given.partitions[0], 0)
    producer.init_transactions(QUICK_S)
    producer.begin()
    for index, topic in enumerate(topics.outputs):
        producer.produce(index, Outgoing(topic.name, b"k", b"v"))
    producer.send_offsets({given.partitions[0]: Position(0, "map")}, consumer.group_metadata(), QUICK_S)
    producer.commit(QUICK_S)
    producer.close()
    consumer.close()


PARTS: dict[str, Callable[[Checked], None]] = {
    "publisher": publish,
    "subscriber": subscribe,
    "waiter": wait,
    "worker": work,
}


def test_every_part_is_tried() -> None:
    """The table names no part that the test below does not run."""
    assert {right.part for right in table()} == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_the_rights_of_the_table_are_enough(world: World, group: str, part: str) -> None:
    """Without them the part is refused; with them it does all it ever does."""
    at = Checked(world, group)
    with pytest.raises((DarkroomError, AssertionError)):
        PARTS[part](at)

    with at.granted([right for right in table() if right.part == part]):
        wait_until(lambda: PARTS[part](at) or True, QUICK_S)  # the broker may hear of a rule a moment later
