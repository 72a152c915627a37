"""Servers die under a loaded worker: it says what it waits for, survives, goes on by itself, loses and doubles nothing.

The Kafka outage lasts ``DARKROOM_TEST_OUTAGE_S`` seconds (22 by default; set 120 for the long form).
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.outage.servers import Witness, at, witness
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.outage.servers import Servers
    from tests.outage.traffic import Traffic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
KAFKA_OUTAGE_S = float(os.environ.get("DARKROOM_TEST_OUTAGE_S", "22"))
STORE_OUTAGE_S = 7.0
REGISTRY_OUTAGE_S = 3.0
SETTLED_S = min(15.0, KAFKA_OUTAGE_S * 2 / 3)
"""When an outage's memory is first measured: buffers of the last records are there by then."""
NOTICED_S = 12.0
"""A second of silence, a question of three, and a machine that is busy with other tests."""
GROWTH = 4_000_000
"""Bytes that the process may grow by after that, however long the outage lasts."""

A_CLIENT = 5
"""Threads of one Kafka client: the producer that is given up may not be gone when its successor's are counted."""


def _assert_unready(worker: Witness, state: str) -> None:
    """Readiness, metrics and log say the same, liveness goes on."""
    status, said = worker.ask("/readyz")
    assert status == 503
    assert said["state"] == state
    assert state in said["reason"]
    assert said["why"]
    assert said["do"]
    assert worker.ask("/livez")[0] == 200
    assert worker.metrics()[f'darkroom_worker_state{{state="{state}"}}'] == 1
    assert worker.changes(state)[-1]["why"]


def _assert_over(worker: Witness, state: str, outage_s: float) -> None:
    """The line at the end says how long it lasted, and the metrics add it up."""
    wait_until(lambda: worker.ask("/readyz")[0] == 200, 20, what="a ready worker")
    ends = wait_until(lambda: _left(worker, state), 20, what="the line that ends it")
    assert sum(line["lasted_s"] for line in ends) > outage_s / 2
    assert worker.metrics()[f'darkroom_worker_state_seconds_total{{state="{state}"}}'] > outage_s / 2


def _left(worker: Witness, state: str) -> list[dict[str, Any]]:
    return [line for line in worker.events("state_changed") if line["was"] == state]


def test_the_store_is_killed(ours: Servers, traffic: Traffic) -> None:
    """Paused within a second of the first refused call; probes back off; nothing held more; then all is answered."""
    traffic.publish(150)
    with witness(traffic.place) as worker:
        wait_until(lambda: worker.ask("/readyz")[1]["answered"] > 5, 60, what="the first answers")
        ours.kill("minio")
        killed = time.time()
        paused = wait_until(lambda: worker.changes("paused: store"), 10, what="the pause", pause=0.01)[0]
        refused = next(line for line in worker.events("attempt_failed") if "store is unavailable" in line["error"])
        assert at(paused) - at(refused) < 1.0

        wait_until(lambda: worker.ask("/readyz")[1]["in_flight"] == 0, 5, what="the last of what was in flight")
        held = worker.ask("/readyz")[1]["held"]
        _assert_unready(worker, "paused: store")
        wait_until(lambda: time.time() > killed + STORE_OUTAGE_S, STORE_OUTAGE_S + 1)
        assert worker.ask("/readyz")[1]["held"] <= held
        _assert_probes_back_off(worker, at(paused))

        ours.revive()
        _assert_over(worker, "paused: store", STORE_OUTAGE_S)
        traffic.assert_all_answered_once(60)
        assert worker.end() == 0


def _assert_probes_back_off(worker: Witness, since: float) -> None:
    probes = [at(line) for line in worker.events("attempt_failed") if at(line) > since + 0.1]
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert 2 <= len(probes) <= 8, gaps
    assert all(later > 1.5 * earlier for earlier, later in pairwise(gaps) if later < 4.9), gaps


def test_the_registry_is_killed(ours: Servers, traffic: Traffic) -> None:
    """A schema that nobody can look up holds everything up and fails nothing; back, it is looked up and answered."""
    with witness(traffic.place) as worker:
        ours.kill("registry")
        began = time.time()
        traffic.publish_garbage()
        wait_until(lambda: worker.changes("paused: registry"), 10, what="the pause")
        _assert_unready(worker, "paused: registry")
        wait_until(lambda: time.time() > began + REGISTRY_OUTAGE_S, REGISTRY_OUTAGE_S + 1)
        assert worker.events("image_failed") == []

        ours.revive()
        _assert_over(worker, "paused: registry", REGISTRY_OUTAGE_S)
        traffic.assert_all_answered_once(60)
        assert worker.end() == 0


def test_kafka_is_frozen(ours: Servers, traffic: Traffic) -> None:
    """Its connections stand, but nobody answers: noticed, waited for without growing, and gone on by itself."""
    traffic.publish(150)
    with witness(traffic.place) as worker:
        wait_until(lambda: worker.ask("/readyz")[1]["answered"] > 5, 60, what="the first answers")
        began = time.time()
        with ours.frozen("kafka-1"):
            _sit_out(worker, began)
        _assert_over(worker, "waiting: kafka", KAFKA_OUTAGE_S)
        traffic.assert_all_answered_once(60)
        assert worker.end() == 0


def test_kafka_is_killed(ours: Servers, traffic: Traffic) -> None:
    """Its connections break, and come back with another broker process: the same."""
    traffic.publish(150)
    with witness(traffic.place) as worker:
        wait_until(lambda: worker.ask("/readyz")[1]["answered"] > 5, 60, what="the first answers")
        ours.kill("kafka-1")
        try:
            _sit_out(worker, time.time())
        finally:
            ours.revive()
        _assert_over(worker, "waiting: kafka", KAFKA_OUTAGE_S)
        traffic.assert_all_answered_once(60)
        assert worker.end() == 0


def _sit_out(worker: Witness, began: float) -> None:
    """Wait out the outage; from the time when it is settled in it, the process must not grow or chatter."""
    wait_until(lambda: worker.changes("waiting: kafka"), 15, what="the silence to be noticed")
    assert time.time() - began < NOTICED_S
    _assert_unready(worker, "waiting: kafka")
    wait_until(lambda: time.time() > began + SETTLED_S, SETTLED_S + 1)
    memory, threads, lines = worker.memory(), worker.threads(), len(worker.log)
    wait_until(lambda: time.time() > began + KAFKA_OUTAGE_S, KAFKA_OUTAGE_S + 1)
    _assert_unready(worker, "waiting: kafka")
    assert worker.memory() < memory + GROWTH
    assert worker.threads() <= threads + A_CLIENT
    assert len(worker.log) < lines + 3 * KAFKA_OUTAGE_S, "chatty while nothing can be done"
