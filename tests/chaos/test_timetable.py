"""The timetable: the same for the same seed, complete, and never more away than the cluster bears."""

from __future__ import annotations

import itertools

import pytest

from tests.chaos.timetable import BROKERS, FEWEST, KINDS, MOST, SESSION_S, make_timetable

SEEDS = range(30)


def test_a_seed_is_a_timetable() -> None:
    """The same one each time, and another one for another seed."""
    assert make_timetable(7, 200) == make_timetable(7, 200)
    assert make_timetable(7, 200) != make_timetable(8, 200)


@pytest.mark.parametrize(("seconds", "fewest"), [(115, 12), (1380, 60)])
def test_there_are_enough(seconds: float, fewest: int) -> None:
    """In CI and in full."""
    assert min(len(make_timetable(seed, seconds).faults) for seed in SEEDS) >= fewest


def test_a_full_run_has_every_kind_and_hits_every_broker() -> None:
    """Controller included."""
    for seed in SEEDS:
        faults = make_timetable(seed, 1380).faults
        assert {fault.kind for fault in faults} == set(KINDS)
        hit = {fault.target for fault in faults if fault.kind in {"broker_kill", "broker_stop"}}
        assert hit == {str(number + 1) for number in range(BROKERS)}


def test_a_track_has_one_fault_at_a_time() -> None:
    """So never two servers are away at once."""
    for seed in SEEDS:
        timetable = make_timetable(seed, 1380)
        for track in (timetable.servers, timetable.clients):
            for before, after in itertools.pairwise(track):
                assert before.at + before.seconds < after.at


def test_the_fleet_stays_within_its_bounds() -> None:
    """Nobody is hit who is not there, and a frozen worker sleeps for longer than its session."""
    for seed in SEEDS:
        names = {"w1", "w2", "w3"}
        for fault in make_timetable(seed, 1380).clients:
            if fault.kind == "worker_add":
                assert fault.target not in names
                names.add(fault.target)
            elif fault.kind.startswith("worker"):
                assert fault.target in names
                names -= {fault.target} if fault.kind == "worker_remove" else set()
            assert FEWEST <= len(names) <= MOST
            assert fault.kind != "worker_freeze" or fault.seconds > SESSION_S
