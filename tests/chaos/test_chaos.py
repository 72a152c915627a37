"""The chaos run in its short form, and its negative controls: the same verifier must find those out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streams.adapters.embedded import embedded_broker
from streams.compose.services import make_topics
from tests.chaos.controls import control
from tests.chaos.place import Ways, make_place
from tests.command import ROOT
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Stack

EVENTS, FEWEST_FAULTS, SEED = 5000, 12, 7
LIMIT_S = 480


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_nothing_is_lost_or_doubled_under_fire(tmp_path: Path) -> None:
    """Brokers, store, workers and connections fail by the timetable of a seed; the verifier finds nothing."""
    file = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.chaos", "--events", str(EVENTS), "--seed", str(SEED), "--json", str(file)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = json.loads(file.read_text())
    assert found["violations"] == 0
    assert found["events"] >= EVENTS
    assert found["faults"] >= FEWEST_FAULTS
    assert found["transactions"]["committed"] > 0


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_a_worker_without_transactions_is_found_out(stack: Stack, tmp_path: Path, unique: Callable[[str], str]) -> None:
    """Undisturbed it passes; killed, it has announced things whose positions nobody remembers."""
    place = make_place(unique("plain"), tmp_path / "place", Ways(stack, stack), copies=1)
    with control(place, "plain", tmp_path) as run:
        run.start("w1")
        run.publish(100)
        run.wait_answered()
        assert run.verdict() == []
        seen = run.answers()
        run.publish(300)
        wait_until(lambda: run.answers() > seen + 20, 60, what="some answers")
        run.fleet.kill("w1")
        run.start("w2")
        run.wait_answered()
        assert "duplicate_cause" in {violation.kind for violation in run.verdict()}


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_the_mock_cluster_is_found_out(stack: Stack, tmp_path: Path, unique: Callable[[str], str]) -> None:
    """It forgets every position: the next worker answers everything again."""
    with embedded_broker() as mock:
        there = replace(stack, bootstrap=mock.bootstrap_servers)
        place = make_place(unique("mock"), tmp_path / "place", Ways(there, there), copies=1, topics=False)
        mock.make_topics([topic.name for topic in make_topics(place.settings).all])
        with control(place, "mock", tmp_path) as run:
            run.start("w1")
            run.publish(100)
            run.wait_answered()
            run.fleet.leave("w1")
            run.start("w2")
            run.publish(20)
            run.wait_answered()
            assert "duplicate_cause" in {violation.kind for violation in run.verdict()}
