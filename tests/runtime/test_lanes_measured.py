"""What lanes and tenants get of a busy engine on a real broker: what `just bench fairness` measures, held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.engines import shares
from tests.bench.engines.run import Bench
from tests.bench.engines.shares import HOT, QUIET, WEIGHTS

if TYPE_CHECKING:
    from tests.support import Stack

OFF = 0.2


@pytest.fixture
def bench(stack: Stack) -> Bench:
    """Return the bench's own view of the broker."""
    return Bench(stack.bootstrap)


def test_lanes_share_a_busy_engine_by_their_weights(bench: Bench) -> None:
    """While all three lanes wait, each gets its weight's part of the starts, and none goes without for long."""
    starts = shares.lane_starts(bench, backlog=400)

    got = shares.shares(starts, lambda each: each.topic)

    total = sum(WEIGHTS.values())
    assert got == pytest.approx({lane: weight / total for lane, weight in WEIGHTS.items()}, rel=OFF)


def test_a_hot_tenant_gets_no_more_than_each_quiet_one(bench: Bench) -> None:
    """While all tenants of a lane wait, each gets the same part, though one was there first with ten times as much."""
    starts = shares.tenant_starts(bench, backlog=1_000)

    got = shares.shares(starts, lambda each: each.tenant)

    assert got == pytest.approx(dict.fromkeys((HOT, *QUIET), 1 / (1 + len(QUIET))), rel=OFF)


def test_a_quiet_tenant_does_not_wait_for_a_hot_one(bench: Bench) -> None:
    """What the quiet publish while a hot tenant's backlog is worked off starts long before that backlog's end."""
    starts = shares.live_starts(bench, 40, hot=2_000)

    waited = sorted(each.waited_ms for each in starts if each.tenant != HOT)

    end = max(each.at for each in starts if each.tenant == HOT)
    begin = min(each.at for each in starts)
    assert waited[len(waited) // 2] < 1000 * (end - begin) / 10
