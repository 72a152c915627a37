"""Where a group begins: what `darkroom offsets init` may set and when, on real Kafka and on the simulated broker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from schemas.errors import DarkroomError
from schemas.record import TopicPartition
from streams.adapters.kafka_admin import KafkaAdmin
from streams.adapters.kafka_offsets import GroupOffsets
from streams.adapters.simulated import SimulatedBroker
from tests.contracts.brokers import KafkaWorld, Member, SimulatedWorld, World, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.support import Stack


class Found(Protocol):
    """A position that was set."""

    @property
    def offset(self) -> int: ...
    @property
    def was(self) -> int | None: ...


class Offsets(Protocol):
    """What both brokers offer."""

    def initialise(self, topics: Iterable[str], to: datetime | str, *, overwrite: bool = False) -> Sequence[Found]:
        """Set positions."""
        ...


@dataclass(frozen=True)
class Place:
    """A world, its operator's view of one group, and a topic of one partition."""

    world: World
    offsets: Offsets
    group: str
    topic: str
    now: Callable[[], datetime]

    def init(self, to: datetime | str, *, overwrite: bool = True) -> list[tuple[int | None, int]]:
        """Return what stood there and what stands there now."""
        done = self.offsets.initialise([self.topic], to, overwrite=overwrite)
        return [(each.was, each.offset) for each in done]


@pytest.fixture(params=["simulated", "kafka"])
def place(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> Place:
    """One world after the other."""
    group = unique("group")
    if request.param == "simulated":
        simulated = SimulatedWorld(unique)
        offsets = SimulatedBroker(simulated.cluster).offsets(group)
        clock = simulated.cluster
        topic = simulated.topic(1)
        return Place(simulated, offsets, group, topic, lambda: datetime.fromtimestamp(clock.now, UTC))  # type: ignore[arg-type]
    stack: Stack = request.getfixturevalue("stack")
    kafka = KafkaWorld(stack.bootstrap, unique)
    real = GroupOffsets(KafkaAdmin({"bootstrap.servers": stack.bootstrap}), group)
    return Place(kafka, real, group, kafka.topic(1), lambda: datetime.now(UTC))  # type: ignore[arg-type]


def test_a_time_is_the_first_record_not_before_it(place: Place) -> None:
    """Earliest, latest, and a time between; a time behind all records is the end."""
    place.world.append(place.topic, 0, 5)
    before = place.now()
    until(place.world, lambda: place.now() > before + timedelta(milliseconds=20))
    between = before + timedelta(milliseconds=10)
    place.world.append(place.topic, 0, 4)

    assert place.init("earliest") == [(None, 0)]
    assert place.init(between) == [(0, 5)]
    assert place.init("latest") == [(5, 9)]
    assert place.init(place.now() + timedelta(hours=1)) == [(9, 9)]


def test_only_what_stands_nowhere_is_set(place: Place) -> None:
    """A position is left alone, unless the log has moved past it."""
    place.world.append(place.topic, 0, 6)
    assert place.init("earliest", overwrite=False) == [(None, 0)]
    assert place.init("latest", overwrite=False) == []
    place.world.truncate(TopicPartition(place.topic, 0), 4)

    assert place.init("earliest", overwrite=False) == [(0, 4)]


def test_a_group_with_members_is_left_alone(place: Place) -> None:
    """Its workers' own commits would win."""
    member = Member(place.world, place.group, place.topic)
    until(place.world, lambda: member.poll(1) is not None and len(member.owned) == 1)
    with pytest.raises(DarkroomError) as refused:
        place.init("earliest")
    assert getattr(refused.value, "code", None) == "NON_EMPTY_GROUP"
    member.consumer.close()

    until(place.world, lambda: _went(place))


def _went(place: Place) -> bool:
    try:
        return place.init("earliest") == [(None, 0)]
    except DarkroomError:
        return False
