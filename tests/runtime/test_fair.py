"""A lane's turns go by tenant: who has the fewest records in flight is next, wherever they lie."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.runtime.fair import tenant_of
from streams.runtime.limits import LoopLimits
from streams.runtime.offset_map import HORIZON
from tests.runtime.builders import P0, P1, HandDriven, record


def _driven(threads: int = 4) -> HandDriven:
    driven = HandDriven(LoopLimits(concurrency=threads, max_in_flight=threads))
    driven.assign(P0, P1)
    return driven


def _in_flight(driven: HandDriven) -> Counter[bytes]:
    return Counter(tenant_of(task.record.key) for task in driven.started)


@pytest.mark.parametrize(
    ("key", "tenant"), [(b"acme/cat.jpg", b"acme"), (b"acme/a/b", b"acme"), (b"acme", b""), (b"", b""), (None, b"")]
)
def test_the_tenant_is_what_stands_before_the_first_slash(key: bytes | None, tenant: bytes) -> None:
    """Keys without a tenant share one turn."""
    assert tenant_of(key) == tenant


def test_a_quiet_tenant_does_not_wait_behind_the_backlog_of_a_hot_one() -> None:
    """Its record is the next to start, although a hundred were polled before it."""
    driven = _driven()
    driven.poll(*[record(n, f"hot/{n}") for n in range(100)])
    driven.poll(record(100, "quiet/0"))

    driven.finish(driven.running()[0])

    assert driven.running()[-1] == 100


def test_slow_records_of_one_tenant_leave_the_other_half_of_the_threads() -> None:
    """A share is a share of what is in flight: the slow tenant does not end up with every thread."""
    driven = _driven()
    driven.poll(*[record(n, f"slow/{n}") for n in range(50)])
    driven.poll(*[record(n, f"fast/{n}") for n in range(50, 150)])
    while slow_only := [n for n in driven.running() if n < 50][2:]:
        driven.finish(slow_only[0])

    for _ in range(40):
        driven.finish(next(n for n in driven.running() if n >= 50))
        assert _in_flight(driven) == {b"slow": 2, b"fast": 2}


def test_the_partitions_of_a_tenant_go_in_turn() -> None:
    """A backlog on one partition does not hold up what the same tenant has on another."""
    driven = _driven(1)
    driven.poll(record(0, "hot/0"))
    driven.poll(*[record(n, f"hot/{n}") for n in range(1, 50)], *[record(n, f"hot/{n}", P1) for n in range(50, 99)])
    places = []
    for _ in range(20):
        task = driven.started[0]
        places.append(task.partition)
        driven.finish_tasks(task)

    assert 9 <= places.count(P1) <= 11


def test_a_tenant_alone_has_all_threads() -> None:
    """Nobody waits for a share that nobody else wants."""
    driven = _driven()
    driven.poll(*[record(n, f"hot/{n}") for n in range(9)])
    assert _in_flight(driven) == {b"hot": 4}


def test_a_tenant_with_one_partition_has_as_much_as_one_with_all() -> None:
    """Shares are of the lane, not of a partition."""
    driven = _driven()
    driven.poll(*[record(n, f"hot/{n}") for n in range(50)])
    driven.poll(*[record(n, f"hot/{n}", P1) for n in range(50)], *[record(n, f"one/{n}", P1) for n in range(50, 99)])
    taken: Counter[bytes] = Counter()
    for _ in range(40):
        task = driven.started[0]
        taken[tenant_of(task.record.key)] += 1
        driven.finish_tasks(task)

    assert taken[b"one"] >= 18


def test_what_a_partition_had_ready_goes_with_it() -> None:
    """Records of a partition that is gone are not started, and the tenant's others are."""
    driven = _driven(2)
    driven.poll(*[record(n, f"a/{n}") for n in range(5)])
    driven.poll(*[record(n, f"a/{n}", P1) for n in range(5)])
    driven.loop.drop([P0])
    for _ in range(5):
        driven.finish_tasks(driven.started[0])

    assert all(task.partition == P1 for task in driven.started)
    assert driven.loop.counts()["held"] == 5


def test_a_freed_record_out_of_the_maps_reach_does_not_hold_up_the_oldest() -> None:
    """It goes to the end of the row: at the front it would wait for a position that waits for those behind it."""
    driven = _driven(2)
    far = HORIZON + 10
    driven.poll(record(0, "t/a"), record(1, "t/b"), record(2, "t/c"), record(far, "t/b"))
    assert driven.running() == [0, 1]

    driven.finish(1)

    assert driven.running() == [0, 2]


@settings(max_examples=60, deadline=None)
@given(
    polled=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.booleans()), max_size=60),
    choices=st.lists(st.integers(0, 1000), min_size=1, max_size=60),
)
def test_everything_is_started_and_in_even_shares(polled: list[tuple[str, int, bool]], choices: list[int]) -> None:
    """Of records that are all there from the start, the first in flight are shared evenly, and each gets its turn."""
    driven = HandDriven(LoopLimits(concurrency=4, max_in_flight=4))
    driven.assign(P0, P1)
    rows: dict[bool, list[str]] = {False: [], True: []}
    for who, key, second in polled:
        rows[second].append(f"{who}/{key}-{len(rows[second])}")
    everything = [record(n, key, P1 if second else P0) for second, keys in rows.items() for n, key in enumerate(keys)]
    driven.poll(*everything)
    done = 0
    flying = _in_flight(driven)
    for name, count in flying.items():
        assert count == sum(tenant_of(r.key) == name for r in everything) or count >= max(flying.values()) - 1
    while driven.started:
        task = driven.started[choices[done % len(choices)] % len(driven.started)]
        done += 1
        driven.finish_tasks(task)
    assert done == len(everything)
