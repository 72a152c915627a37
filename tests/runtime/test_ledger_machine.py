"""Hypothesis drives a ledger through random lives beside a model that is too simple to be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.runtime.ledger import Ledger
from streams.runtime.offset_map import OffsetMap, decode
from tests.runtime.builders import P0, TOPIC_ID, record

if TYPE_CHECKING:
    from schemas.record import Record


class LedgerMachine(RuleBasedStateMachine):
    """The log, what was answered and what the broker has, beside the ledger of the present owner."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Record] = []
        self.next_offset = 0
        self.committed: list[Record] = []
        self.position = OffsetMap(TOPIC_ID, 0)
        self._assign()

    def _assign(self) -> None:
        self.ledger = Ledger(P0, 1, self.position)
        self.ledger.opened = True
        self.fetched = self.position.base
        self.running: list[Record] = []
        self.finished: list[Record] = []

    @rule(gaps=st.lists(st.integers(0, 3), min_size=1, max_size=5), keys=st.lists(st.sampled_from("abcd"), min_size=5))
    def produce(self, gaps: list[int], keys: list[str]) -> None:
        """Append records, some behind offsets that no record has."""
        for gap, key in zip(gaps, keys, strict=False):
            self.next_offset += gap
            self.log.append(record(self.next_offset, key))
            self.next_offset += 1

    @rule(most=st.integers(1, 8))
    def poll(self, most: int) -> None:
        """Deliver the next records."""
        due = [r for r in self.log if r.offset >= self.fetched][:most]
        if due:
            self.fetched = due[-1].offset + 1
            self.ledger.add(due)

    @precondition(lambda self: self.ledger.can_start)
    @rule()
    def start(self) -> None:
        """Start all that the ledger offers: never a done record, never two of a key at once."""
        while self.ledger.can_start:
            started = self.ledger.start()
            assert started not in self.committed
            assert started.key not in {r.key for r in self.running}
            self.running.append(started)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Answer any running record."""
        done = data.draw(st.sampled_from(self.running))
        self.running.remove(done)
        self.finished.append(done)
        self.ledger.finish(done)

    @rule(most=st.integers(1, 4), aborted=st.booleans())
    def commit(self, most: int, aborted: bool) -> None:  # noqa: FBT001
        """Commit the first answers with the position that belongs to them, or try to."""
        batch = self.finished[:most]
        found = self.ledger.position({r.offset for r in batch})
        assert found.offset is not None
        if aborted:
            return
        self.position = decode(found.metadata, TOPIC_ID, found.offset)
        self.ledger.committed(batch, found.offset)
        self.finished = self.finished[most:]
        self.committed += batch

    @rule()
    def crash(self) -> None:
        """Lose everything that is not committed; the next owner starts from the broker's answer."""
        self._assign()

    @invariant()
    def the_position_tells_exactly_what_is_committed(self) -> None:
        """Neither ahead of an unfinished record nor behind a finished one that the map could tell of."""
        shown = {r.offset for r in self.log if r.offset < self.position.base or r.offset in self.position.done}
        assert shown == {r.offset for r in self.committed}

    @invariant()
    def each_record_is_committed_once_and_keys_in_order(self) -> None:
        """No duplicates; per key the commit order is the log's."""
        offsets = [r.offset for r in self.committed]
        assert len(offsets) == len(set(offsets))
        for key in {r.key for r in self.committed}:
            mine = [r.offset for r in self.committed if r.key == key]
            assert mine == sorted(mine)

    @invariant()
    def what_is_held_is_what_was_polled_and_not_committed(self) -> None:
        """The memory that the bounds count is the memory that is used."""
        done = {r.offset for r in self.committed}
        held = [r for r in self.log if self.ledger.base <= r.offset < self.fetched and r.offset not in done]
        assert self.ledger.held == len(held)
        assert (self.ledger.held_bytes > 0) == bool(held)

    def teardown(self) -> None:
        """Without further faults everything gets done: the ledger never ends stuck."""
        self._assign()
        for _ in range(2 * len(self.log) + 2):
            self.poll(5)
            self.start()
            for done in list(self.running):
                self.running.remove(done)
                self.finished.append(done)
                self.ledger.finish(done)
            self.commit(len(self.finished), aborted=False)
        assert {r.offset for r in self.committed} == {r.offset for r in self.log}


LedgerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLedger = LedgerMachine.TestCase


def test_what_is_done_and_not_polled_again_yet_is_not_forgotten() -> None:
    """A new owner polls piece by piece; where a piece ends before a finished record, the position is past that too."""
    ledger = Ledger(P0, 1, OffsetMap(TOPIC_ID, 0, frozenset({1, 2, 4})))
    first = record(0, "a")
    ledger.add([first])
    ledger.finish(ledger.start())

    position = ledger.position({0})
    ledger.committed([first], position.offset or 0)

    assert position.offset == 3
    assert decode(position.metadata, TOPIC_ID, 3).done == {4}
    assert ledger.position(()).offset == 3, "never back to what was polled"
