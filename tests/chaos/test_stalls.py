"""Standing still, measured on made-up clocks."""

from __future__ import annotations

import pytest

from tests.chaos.stalls import SilenceMeter, Stall, StallMeter, beyond, longest

PARTITION = ("ready", 0)


def test_a_reader_before_an_open_transaction_stands_still() -> None:
    """From the first look at which something was left to the first at which it had moved."""
    meter = StallMeter()
    for now, end, position in ((0, 5, 5), (1, 6, 5), (8, 9, 5), (12, 9, 9)):
        meter.observe(now, {PARTITION: end}, {PARTITION: position})
    assert meter.stalls == [Stall("ready[0]", 1, 12)]


def test_a_reader_that_moves_or_has_nothing_to_read_does_not() -> None:
    """However far behind it is, and however long there is nothing."""
    meter = StallMeter()
    for now in (tick / 2 for tick in range(60)):
        meter.observe(now, {PARTITION: 100, ("ready", 1): 7}, {PARTITION: int(now * 2), ("ready", 1): 7})
    meter.finish(30.0)
    assert meter.stalls == []


def test_a_stall_without_end_counts() -> None:
    """What hangs for ever must not go unseen because it never ends."""
    meter = StallMeter()
    meter.observe(0, {PARTITION: 1}, {})
    meter.finish(100)
    assert longest(meter.stalls)[0] == 100


def test_silence_is_only_where_there_is_work() -> None:
    """Nothing asked, or nobody there: no silence."""
    meter = SilenceMeter()
    looks = ((0, 1, True), (2, 1, True), (5, 2, True), (6, 2, False), (60, 2, False), (61, 2, True), (71, 3, True))
    for now, answers, waiting in looks:
        meter.observe(now, answers, waiting=waiting)
    assert [(stall.began, stall.ended) for stall in meter.stalls] == [(0, 5), (5, 6), (61, 71)]


@pytest.mark.parametrize(
    ("windows", "left"),
    [([], 10), ([(0, 3)], 10), ([(12, 14)], 8), ([(5, 12), (11, 13)], 7), ([(0, 100)], 0), ([(18, 30)], 8)],
)
def test_only_what_lies_in_a_window_is_excused(windows: list[tuple[float, float]], left: float) -> None:
    """Overlapping windows excuse a second once."""
    assert beyond(Stall("x", 10, 20), windows) == left
