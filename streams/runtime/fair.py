"""Whose turn it is within one lane: the tenant with the fewest records in flight, so that none takes it all.

A tenant is the part of a record's key before its first "/". Counting what is IN FLIGHT, not what was started, is what
makes a share a share of the threads: of two tenants with the same number of turns, the one with slow records would
end up holding every thread. Tenants with equally many go in turn, and a tenant's partitions do too. Nobody waits
while a thread is free: a tenant alone has the whole lane.

It sees what the ledgers hold, no further: a tenant whose records stand in the log behind more of somebody else's than
a worker holds is not known to wait.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.record import Record
    from streams.runtime.ledger import Ledger


def tenant_of(key: bytes | None) -> bytes:
    """Return whom a record is for; records without a tenant share one turn."""
    if key is None:
        return b""
    tenant, slash, _ = key.partition(b"/")
    return tenant if slash else b""


class FairQueue:
    """The tenants of one lane: which have records ready, in which ledgers, and how many are in flight."""

    __slots__ = ("_aside", "_level_of", "_levels", "_running", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Ledger]] = {}
        """The ledgers that have records of the tenant ready, next one first."""
        self._running: dict[bytes, int] = {}
        self._levels: dict[int, dict[bytes, None]] = {}
        """Waiting tenants by how many they have in flight; those of one level in the order in which they came there."""
        self._level_of: dict[bytes, int] = {}
        self._aside: list[bytes] = []
        """Tenants that turned out to have nothing that MAY start yet; asked again at the next `look_again`."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def arrived(self, tenant: bytes, ledger: Ledger) -> None:
        """Say that ``ledger`` now has a record of ``tenant`` ready, and had none before."""
        ledgers = self._waiting.get(tenant)
        if ledgers is None:
            self._waiting[tenant] = deque((ledger,))
            self._line_up(tenant)
        else:
            ledgers.append(ledger)

    def gone(self, ledger: Ledger) -> None:
        """Forget what ``ledger`` had ready; what of it is in flight still comes back by `ended`."""
        for tenant in ledger.ready:
            self._waiting[tenant].remove(ledger)
            self._leave_if_empty(tenant)

    def look_again(self) -> None:
        """Let tenants whose partitions were not open, or too far ahead, have another turn."""
        aside, self._aside = self._aside, []
        for tenant in aside:
            if tenant in self._waiting and tenant not in self._level_of:
                self._line_up(tenant)

    def next(self, may_start: Callable[[Ledger], bool]) -> tuple[Ledger, Record] | None:
        """Take the record whose turn it is, from a ledger that ``may_start`` agrees to; None if there is none."""
        while self._levels:
            tenant = next(iter(self._levels[min(self._levels)]))
            ledger = self._turn_of(tenant, may_start)
            if ledger is not None:
                return ledger, self.take(tenant, ledger)
            self._step_out(tenant)
            self._aside.append(tenant)
        return None

    def take(self, tenant: bytes, ledger: Ledger) -> Record:
        """Take the next record of ``tenant`` out of ``ledger``, which has one ready."""
        queue = ledger.ready[tenant]
        record = queue.popleft()
        if not queue:
            del ledger.ready[tenant]
            self._waiting[tenant].remove(ledger)
            self._leave_if_empty(tenant)
        return record

    def started(self, tenant: bytes) -> None:
        """Count a record of ``tenant`` as in flight."""
        self._count(tenant, 1)

    def ended(self, tenant: bytes) -> None:
        """Count a record of ``tenant`` as back, of whatever incarnation."""
        self._count(tenant, -1)

    def _turn_of(self, tenant: bytes, may_start: Callable[[Ledger], bool]) -> Ledger | None:
        """Return the ledger whose turn it is for this tenant, and move it to the end of the row."""
        ledgers = self._waiting[tenant]
        for _ in range(len(ledgers)):
            ledger = ledgers[0]
            ledgers.rotate(-1)
            if ledger.within_reach(tenant) and may_start(ledger):
                return ledger
        return None

    def _count(self, tenant: bytes, change: int) -> None:
        running = self._running.get(tenant, 0) + change
        if running:
            self._running[tenant] = running
        else:
            del self._running[tenant]
        if tenant in self._level_of:
            self._step_out(tenant)
            self._line_up(tenant)

    def _line_up(self, tenant: bytes) -> None:
        level = self._running.get(tenant, 0)
        self._level_of[tenant] = level
        self._levels.setdefault(level, {})[tenant] = None

    def _step_out(self, tenant: bytes) -> None:
        level = self._level_of.pop(tenant)
        tenants = self._levels[level]
        del tenants[tenant]
        if not tenants:
            del self._levels[level]

    def _leave_if_empty(self, tenant: bytes) -> None:
        if not self._waiting[tenant]:
            del self._waiting[tenant]
            if tenant in self._level_of:
                self._step_out(tenant)
