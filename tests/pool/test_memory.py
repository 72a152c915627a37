"""Admission by bytes: in line, never over the budget, except for what is larger than all of it and comes alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Transient
from streams.runtime.memory import BudgetClosed, MemoryBudget
from tests.support import wait_until


class Holder:
    """Somebody who asks for bytes on a thread of its own, and holds them until told."""

    def __init__(self, budget: MemoryBudget, amount: int, order: list[int]) -> None:
        self.admitted, self.let_go = threading.Event(), threading.Event()
        self.refused: BaseException | None = None
        self._thread = threading.Thread(target=self._hold, args=(budget, amount, order))
        waiting, holders = budget.stats().waiting, budget.stats().holders
        self._thread.start()
        wait_until(lambda: budget.stats().waiting > waiting or budget.stats().holders > holders, 5)

    def _hold(self, budget: MemoryBudget, amount: int, order: list[int]) -> None:
        try:
            with budget.admit(amount):
                order.append(amount)
                self.admitted.set()
                self.let_go.wait(10)
        except BudgetClosed as error:
            self.refused = error

    def end(self) -> None:
        """Give the bytes back."""
        self.let_go.set()
        self._thread.join(10)


def test_first_come_first_served() -> None:
    """A small request does not pass a large one that waits: else the large one might wait for ever."""
    budget, order = MemoryBudget(10), list[int]()
    first, large, small = (Holder(budget, amount, order) for amount in (6, 9, 2))
    assert (order, budget.stats().waiting) == ([6], 2)

    first.end()
    assert large.admitted.wait(5)
    assert (order, budget.stats().waiting) == ([6, 9], 1)
    large.end()
    assert small.admitted.wait(5)

    assert order == [6, 9, 2]
    small.end()
    assert (budget.stats().used, budget.stats().holders, budget.stats().peak) == (0, 0, 9)


def test_what_is_larger_than_the_budget_is_admitted_alone() -> None:
    """It waits until nobody else holds anything, and nobody joins it."""
    budget, order = MemoryBudget(10), list[int]()
    first, giant, last = (Holder(budget, amount, order) for amount in (1, 25, 1))
    assert order == [1]

    first.end()
    assert giant.admitted.wait(5)
    assert budget.stats().used == 25
    assert not last.admitted.is_set()
    giant.end()

    assert last.admitted.wait(5)
    last.end()


def test_an_error_inside_gives_the_bytes_back() -> None:
    """Whatever happens to the work, its share is free again."""
    budget = MemoryBudget(10)
    with pytest.raises(RuntimeError), budget.admit(10):
        raise RuntimeError

    with budget.admit(10):
        assert budget.stats().used == 10


def test_closing_wakes_who_waits() -> None:
    """Waiters get a transient error, holders keep what they have, late comers are refused."""
    budget, order = MemoryBudget(10), list[int]()
    holder, waiter = Holder(budget, 10, order), Holder(budget, 1, order)

    budget.close()
    waiter.end()

    assert isinstance(waiter.refused, Transient)
    assert not holder.let_go.is_set()
    assert budget.stats().used == 10
    holder.end()
    with pytest.raises(BudgetClosed), budget.admit(1):
        pass


@pytest.mark.parametrize("amount", [0, -1])
def test_nonsense_is_refused(amount: int) -> None:
    """A budget of nothing would admit only one image at a time, and nobody would know why."""
    with pytest.raises(ValueError, match="positive"):
        MemoryBudget(amount)
    with pytest.raises(ValueError, match="-1"), MemoryBudget(1).admit(-1):
        pass


@settings(max_examples=30, deadline=None)
@given(amounts=st.lists(st.integers(0, 30), max_size=40))
def test_never_over_budget_and_nobody_is_forgotten(amounts: list[int]) -> None:
    """Whatever is asked for by many threads, use stays within the budget (or one holder), and all get their turn."""
    budget, seen = MemoryBudget(20), list[bool]()

    def hold(amount: int) -> None:
        with budget.admit(amount):
            stats = budget.stats()
            seen.append(stats.used <= stats.total or stats.holders == 1)

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(8))
        list(threads.map(hold, amounts))

    assert len(seen) == len(amounts)
    assert all(seen)
    assert budget.stats().used == 0
