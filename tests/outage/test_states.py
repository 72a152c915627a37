"""Each state of a worker, made to happen: the log line, the metric and readiness say the same, and what is to be done.

Outages of whole servers are in ``test_outages.py``.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from schemas.errors import Unavailable
from streams.adapters.metrics import exposition
from streams.cli.watch_health import HealthWatch
from tests.runtime.test_engine import PARTITIONS, Echo, World
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from schemas.record import Outgoing, Record
    from streams.runtime.shell import Engine
    from tests.support import Stack

LIMIT_S = 30.0


@pytest.fixture
def world(stack: Stack, unique: Callable[[str], str]) -> Iterator[World]:
    """Yield fresh topics and a group that starts at their beginning."""
    world = World(stack.bootstrap, unique("in"), unique("out"), unique("group"))
    yield world
    world.stop()
    assert world.errors == []


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Yield what is logged meanwhile."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def assert_said(engine: Engine, lines: list[Any], state: str, *, ready: bool, level: str) -> dict[str, Any]:
    """Wait until all that speak of the state agree; return the log line of its beginning."""
    wait_until(lambda: engine.status()["state"] == state, LIMIT_S, what=state)
    entered = wait_until(lambda: _entered(lines, state), LIMIT_S, what=f"a log line about {state}")
    assert entered[-1]["log_level"] == level
    assert f'darkroom_worker_state{{state="{state}"}} 1.0' in exposition(engine.figures)().decode()
    is_ready, facts = HealthWatch({}, engine.status).ready()
    assert is_ready is ready
    assert ready or state.partition(":")[0] in facts["reason"]
    assert facts["since"]
    found: dict[str, Any] = entered[-1]
    return found


def _entered(lines: list[Any], state: str) -> list[Any]:
    return [line for line in list(lines) if line["event"] == "state_changed" and line["state"] == state]


class Held(Echo):
    """Answers only once it is let go."""

    def __init__(self, sink: str) -> None:
        super().__init__(sink)
        self.go = threading.Event()

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Wait, then answer."""
        self.go.wait(LIMIT_S)
        return super().__call__(record)


def test_all_is_well_and_nothing_is_said_of_it(world: World, lines: list[Any]) -> None:
    """Work, much of it, causes one line: that it began."""
    engine = world.engine(Echo(world.sink), "a")
    for burst in range(3):
        world.publish(300, keys=30, start=burst * 300)
        assert len(world.outputs(300 * (burst + 1))) == 300 * (burst + 1)

    assert_said(engine, lines, "working", ready=True, level="info")
    assert [line["event"] for line in lines if line["event"] in {"state_changed", "nothing_moves"}] == ["state_changed"]
    metrics = exposition(engine.figures)().decode()
    assert "darkroom_records_answered_total 900.0" in metrics
    assert f'darkroom_partitions{{state="assigned"}} {PARTITIONS}.0' in metrics
    assert "process_resident_memory_bytes" in metrics


def test_a_worker_too_many_waits_for_an_assignment(world: World, lines: list[Any]) -> None:
    """More workers than partitions: one has nothing to do, is ready to take over, and nobody has to act."""
    engines = [world.engine(Echo(world.sink), str(number)) for number in range(PARTITIONS + 1)]
    wait_until(lambda: sum(each.status()["assigned"] for each in engines) == PARTITIONS, LIMIT_S)
    spare = wait_until(lambda: next((each for each in engines if not each.status()["assigned"]), None), LIMIT_S)

    assert spare is not None
    assert "do" not in assert_said(spare, lines, "waiting: assignment", ready=True, level="info")


def test_positions_under_a_dead_workers_transaction_are_waited_for(world: World, lines: list[Any]) -> None:
    """While another's transaction holds the group's positions nothing can begin; then it does."""
    dead = Producer({"bootstrap.servers": world.bootstrap, "transactional.id": f"{world.group}-dead"})
    member = Consumer({"bootstrap.servers": world.bootstrap, "group.id": world.group})
    dead.init_transactions(10)
    dead.begin_transaction()
    dead.send_offsets_to_transaction([TopicPartition(world.source, 0, 0)], member.consumer_group_metadata(), 10)
    engine = world.engine(Echo(world.sink), "a")

    assert "positions" in assert_said(engine, lines, "waiting: positions", ready=True, level="warning")["why"]

    dead.abort_transaction(10)
    member.close()
    assert_said(engine, lines, "working", ready=True, level="info")


def test_a_commit_that_fails_again_and_again_is_named(world: World, lines: list[Any]) -> None:
    """Kafka answers, but takes no output: not ready, with Kafka's own words."""
    echo = Echo(f"{world.sink}-missing")
    engine = world.engine(echo, "a")
    world.publish(1, keys=1)

    said = assert_said(engine, lines, "waiting: commit", ready=False, level="warning")

    assert "output topics" in said["do"]
    echo.sink = world.sink
    world.threads.pop()
    engine.stop(0.0)


def test_a_service_that_is_down_pauses_the_worker(world: World, lines: list[Any]) -> None:
    """The service, how it showed and what to do stand in one line; so does how long it lasted."""
    down = threading.Event()
    down.set()

    class Dependent(Echo):
        def __call__(self, record: Record) -> Sequence[Outgoing]:
            if down.is_set():
                raise Unavailable("registry", "connection refused")
            return super().__call__(record)

    world.publish(10, keys=10)
    engine = world.engine(Dependent(world.sink), "a")

    said = assert_said(engine, lines, "paused: registry", ready=False, level="warning")
    assert said["why"] == "connection refused"
    assert "registry" in said["do"]

    down.clear()
    assert len(world.outputs(10)) == 10
    assert_said(engine, lines, "working", ready=True, level="info")
    assert _entered(lines, "working")[-1]["was"] == "paused: registry"
    assert "darkroom_retries_total 0.0" not in exposition(engine.figures)().decode()


def test_a_full_worker_pauses_for_its_budget(world: World, lines: list[Any]) -> None:
    """As much is held as may be: that is work enough, so it is ready, and it is said once it lasts."""
    held = Held(world.sink)
    world.publish(100, keys=100)
    engine = world.engine(held, "a", max_held=20)

    assert_said(engine, lines, "paused: budget", ready=True, level="info")

    held.go.set()
    assert len(world.outputs(100)) == 100


def test_partitions_that_an_operator_must_decide_about(world: World, lines: list[Any]) -> None:
    """One partition without a position stops alone; the others work, and the line says what the choice is."""
    producer = Producer({"bootstrap.servers": world.bootstrap})
    _grow(world)
    producer.produce(world.source, b"1", b"key", partition=0)
    assert producer.flush(10) == 0
    engine = world.engine(Echo(world.sink), "a")

    said = assert_said(engine, lines, "stopped: partitions", ready=False, level="warning")

    assert f"{world.source}[{PARTITIONS}]" in said["why"]
    assert "offsets init" in said["do"]
    assert len(world.outputs(1)) == 1
    assert 'darkroom_partitions{state="stopped"} 1.0' in exposition(engine.figures)().decode()


def _grow(world: World) -> None:
    for future in world.admin.create_partitions([NewPartitions(world.source, PARTITIONS + 1)]).values():
        future.result(10)


def test_a_worker_that_stops_says_that_it_drains(world: World, lines: list[Any]) -> None:
    """Not ready any more while the last records finish; then stopped."""
    held = Held(world.sink)
    world.publish(5, keys=5)
    engine = world.engine(held, "a")
    wait_until(lambda: engine.status()["in_flight"] == 5, LIMIT_S)

    engine.stop(LIMIT_S)

    assert_said(engine, lines, "draining", ready=False, level="info")
    held.go.set()
    assert_said(engine, lines, "stopped", ready=False, level="info")


def test_the_elder_of_two_with_one_transactional_id_is_fenced(world: World, lines: list[Any]) -> None:
    """It says so, names what to look for, and ends."""
    world.publish(10, keys=10)
    first = world.engine(Echo(world.sink), "same")
    assert len(world.outputs(10)) == 10
    second = world.engine(Echo(world.sink), "same")
    wait_until(lambda: second.status()["assigned"], LIMIT_S)
    world.publish(100, keys=100, start=10)

    said = assert_said(first, lines, "fenced", ready=False, level="warning")

    assert "the other worker" in said["do"]
    wait_until(lambda: world.errors, LIMIT_S)
    world.errors.clear()
    world.threads.pop(0)


def test_a_handler_that_hangs_is_noticed(world: World, lines: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Working, but nothing comes of it: said once in a while, with how many wait and for how long."""
    monkeypatch.setattr("streams.runtime.watch.REMIND_S", 1.0)
    held = Held(world.sink)
    world.publish(5, keys=5)
    engine = world.engine(held, "a")
    begun = time.monotonic()

    said = wait_until(lambda: [line for line in list(lines) if line["event"] == "nothing_moves"], LIMIT_S)

    assert said[0]["state"] == "working"
    assert said[0]["waiting"] == 5
    assert 1.0 <= said[0]["nothing_committed_s"] <= time.monotonic() - begun
    assert engine.status()["state"] == "working"
    held.go.set()
