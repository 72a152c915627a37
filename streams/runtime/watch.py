"""How long a worker has been in which state, and when that is worth a log line; a step function without a clock.

It writes nothing itself: `Watch.step` returns the lines. One at each change of state, a reminder a minute while nothing
moves, none while all is well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streams.runtime.states import MEANINGS, State

REMIND_S = 60.0
"""Between two reminders, and how long a busy worker may answer nothing before it says so."""


@dataclass(frozen=True, slots=True)
class Line:
    """One log line."""

    event: str
    level: str
    fields: dict[str, Any] = field(default_factory=dict)


class Watch:
    """Follows one worker. ``now`` is in seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self.state = State.STARTING
        """As of the last step."""
        self.why = ""
        self.seconds: dict[State, float] = dict.fromkeys(State, 0.0)
        """How long each state has lasted, all its times together."""
        self._began = now
        self._stepped = now
        self._said = State.STARTING
        self._said_at = now
        self._reminded = now
        self._moved = now
        self._answered = 0

    def step(self, state: State, why: str, now: float, *, answered: int, busy: int) -> list[Line]:
        """Take in the present state and return what is to be logged.

        ``answered``: records committed so far. ``busy``: records that are waited for.
        """
        self.seconds[self.state] += now - self._stepped
        self._stepped = now
        if answered != self._answered or not busy:
            self._moved, self._answered = now, answered
        self.why = why
        if state is not self.state:
            self.state, self._began = state, now
        if state is not self._said:
            return [self._change(now)] if now - self._began >= MEANINGS[state].settles_s else []
        return self._remind(now, busy)

    def age(self, now: float) -> float:
        """Return the seconds since the present state began."""
        return now - self._began

    def _change(self, now: float) -> Line:
        meaning, was = MEANINGS[self.state], self._said
        lasted = self._began - self._said_at
        self._said, self._said_at, self._reminded = self.state, self._began, now
        fields = {"state": self.state.value, "was": was.value, "lasted_s": round(lasted, 1)}
        level = "warning" if meaning.trouble or self.state is State.FENCED else "info"
        return Line("state_changed", level, fields | _said(why=self.why, do=meaning.do))

    def _remind(self, now: float, busy: int) -> list[Line]:
        if now - self._reminded < REMIND_S:
            return []
        trouble = MEANINGS[self.state].trouble
        stuck = busy and now - self._moved >= REMIND_S
        if not trouble and not stuck:
            return []
        self._reminded = now
        fields: dict[str, Any] = {"state": self.state.value, "lasted_s": round(now - self._said_at, 1), "waiting": busy}
        if stuck:
            fields["nothing_committed_s"] = round(now - self._moved, 1)
        return [Line("nothing_moves", "warning", fields | _said(why=self.why, do=MEANINGS[self.state].do))]


def _said(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
