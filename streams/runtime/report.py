"""What a worker says of itself: finds the facts after each step, and keeps plain figures for whoever scrapes them.

Everything but `Report.status` and `Report.figures` is called by the owner's thread; those two only read what it left.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from streams.runtime.committer import Verdict
from streams.runtime.pulse import Pulse
from streams.runtime.states import MEANINGS, Facts, State, find_state
from streams.runtime.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.runtime.committer import Committer, Outcome
    from streams.runtime.loop import Loop
    from streams.runtime.ports import BrokerError

log = structlog.get_logger()
REPORT_S = 0.05
"""How fresh the report is at least, while steps take microseconds."""
LATE_S = 5.0
"""A transaction or a position that takes longer is worth a state of its own."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scraper wants, all of it plain numbers."""

    state: State
    state_seconds: Mapping[State, float]
    counts: Mapping[str, int]
    """`Loop.counts`."""
    answered: int
    """Records whose answers are committed."""
    retries: int
    transactions: Mapping[Verdict, int]
    renewals: int
    step_age_s: float


class Report:
    """One worker's state, figures and log lines about them."""

    def __init__(self, loop: Loop, committer: Committer) -> None:
        self._loop = loop
        self._committer = committer
        now = time.monotonic()
        self._pulse = Pulse(now)
        self._watch = Watch(now)
        self._since = datetime.now(UTC)
        self._counts: Mapping[str, int] = loop.counts()
        self._stopped: Mapping[str, str] = {}
        self._answered = 0
        self._transactions = dict.fromkeys(Verdict, 0)
        self._forming = 0
        self._formed_at: float | None = None
        self._failing_since: float | None = None
        self._refusal = ""
        self._awaiting_since: float | None = None
        self._looked = 0.0
        self._stepped = now

    # --- what the shell tells ------------------------------------------------------------------------------------

    def formed(self, records: int) -> None:
        """A transaction with the answers to so many records begins."""
        self._forming, self._formed_at = records, time.monotonic()

    def settled(self, outcome: Outcome) -> None:
        """The transaction ended."""
        now, self._formed_at = time.monotonic(), None
        self._transactions[outcome.verdict] += 1
        if outcome.verdict is Verdict.COMMITTED:
            self._answered += self._forming
            self._failing_since = None
            self._pulse.heard(now)
            return
        self._refusal = str(outcome.error or outcome.verdict.value)
        self._failing_since = self._failing_since or now

    def heard(self) -> None:
        """Kafka answered: an assignment, a position."""
        self._pulse.heard(time.monotonic())

    def told(self, error: BrokerError | None) -> None:
        """The question whether Kafka answers has ended."""
        self._pulse.told(error, time.monotonic())

    def look(self) -> bool:
        """Find the state after a step, say what is worth saying, and return whether to ask if Kafka answers."""
        now = self._stepped = time.monotonic()
        if now - self._looked < REPORT_S:
            return False
        self._looked = now
        self._counts = counts = self._loop.counts()
        self._stopped = {f"{p.topic}[{p.partition}]": why for p, why in self._loop.stopped.items()}
        if not counts["awaiting_position"]:
            self._awaiting_since = None
        elif self._awaiting_since is None:
            self._awaiting_since = now
        waiting = self._formed_at is not None or self._awaiting_since is not None
        self._enter(*find_state(self._facts(now)), now)
        return self._pulse.ask(now, waiting=waiting)

    def ended(self, state: State) -> None:
        """The worker has come to its end."""
        self._enter(state, "", time.monotonic())

    # --- what others read ----------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return state, reason and sizes as readiness shows them."""
        watch, now = self._watch, time.monotonic()
        meaning = MEANINGS[watch.state]
        return {
            "state": watch.state.value,
            "since": self._since.isoformat(timespec="milliseconds"),
            "for_s": round(watch.age(now), 1),
            **({"why": watch.why} if watch.why else {}),
            **({"do": meaning.do} if meaning.do else {}),
            **self._counts,
            "answered": self._answered,
            "renewals": self._committer.renewals,
            "partitions_stopped": dict(self._stopped),
            "step_age_s": round(now - self._stepped, 3),
        }

    def figures(self) -> Figures:
        """Return the figures for metrics."""
        return Figures(
            self._watch.state,
            dict(self._watch.seconds),
            self._counts,
            self._answered,
            self._loop.retries,
            dict(self._transactions),
            self._committer.renewals,
            time.monotonic() - self._stepped,
        )

    # --- inside --------------------------------------------------------------------------------------------------

    def _facts(self, now: float) -> Facts:
        late = self._awaiting_since is not None and now - self._awaiting_since >= LATE_S
        return Facts(
            self._loop.cause_of_pause(), self._pulse.silent, self._commit(now), self._counts, late, self._stopped
        )

    def _commit(self, now: float) -> str:
        """Return why nothing is committed, or nothing."""
        if self._failing_since is not None and now - self._failing_since >= LATE_S:
            return f"no transaction has committed for {now - self._failing_since:.0f} s: {self._refusal}"
        if self._formed_at is not None and now - self._formed_at >= LATE_S:
            return f"a transaction has been under way for {now - self._formed_at:.0f} s, now at {self._committer.at}"
        return ""

    def _enter(self, state: State, why: str, now: float) -> None:
        if state is not self._watch.state:
            self._since = datetime.now(UTC)
        for line in self._watch.step(state, why, now, answered=self._answered, busy=self._counts["held"]):
            getattr(log, line.level)(line.event, **line.fields)
