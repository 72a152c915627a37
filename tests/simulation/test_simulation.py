"""A fleet of real loops and committers on the strict simulated broker, in simulated time."""

from __future__ import annotations

import pytest

from tests.simulation.schedule import Schedule


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_every_promise_is_kept_whatever_goes_wrong(first: int) -> None:
    """Kills, long pauses, lost answers, late copies, outages: each record is answered once, keys in order."""
    for seed in range(first, first + 30):
        assert Schedule(seed).run() == [], f"just simulate --seed {seed}"


@pytest.mark.parametrize(
    "seed",
    [5249, 7960],
    ids=["a finished record right behind what was polled", "positions rebuilt before records passed over earlier"],
)
def test_schedules_that_once_found_a_mistake(seed: int) -> None:
    """What a schedule has found stays found."""
    assert Schedule(seed).run() == []


@pytest.mark.parametrize("seed", [5, 7], ids=["engine", "images"])
def test_a_seed_is_a_schedule(seed: int) -> None:
    """The same seed gives the same steps, to the byte; another gives others."""
    first, again, other = Schedule(seed), Schedule(seed), Schedule(seed + 1)
    for schedule in (first, again, other):
        schedule.run()

    assert first.world.digest() == again.world.digest()
    assert first.world.digest() != other.world.digest()
