"""A circuit breaker as a step function: it says when a service is down, and when one record may try it again.

It decides; it neither sleeps nor calls. While one is open the loop starts nothing but a probe and consumption pauses,
so that an outage never uses up the attempts of the records that meet it.
"""

from __future__ import annotations

THRESHOLD = 3
"""Failures in a row, over all records, that open the breaker: with back-off from 0.1 s, one record opens it in 0.3
s.
"""
FIRST_PROBE_S = 0.25
LAST_PROBE_S = 5.0


class Breaker:
    """One service's state. Times are seconds of any monotonic clock."""

    __slots__ = ("_failures", "_probe_at", "_wait", "detail", "opened_at")

    def __init__(self) -> None:
        self._failures = 0
        self._wait = FIRST_PROBE_S
        self._probe_at = 0.0
        self.opened_at: float | None = None
        self.detail = ""

    @property
    def is_open(self) -> bool:
        """True while the service counts as down."""
        return self.opened_at is not None

    def failure(self, now: float, detail: str) -> None:
        """A call found the service down."""
        self._failures += 1
        self.detail = detail
        if self.is_open and now >= self._probe_at:
            self._wait = min(self._wait * 2, LAST_PROBE_S)
            self._probe_at = now + self._wait
        elif not self.is_open and self._failures >= THRESHOLD:
            self.opened_at = now
            self._wait = FIRST_PROBE_S
            self._probe_at = now + self._wait

    def success(self) -> None:
        """A record that needed the service got through."""
        self._failures = 0
        self.opened_at = None

    def may_probe(self, now: float) -> bool:
        """Return whether one record may try the service now; the caller keeps it to one at a time."""
        return self.is_open and now >= self._probe_at


class Breakers:
    """All services' breakers, by name; a service that never failed has none."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: dict[str, Breaker] = {}

    def failure(self, service: str, now: float, detail: str) -> bool:
        """A call found the service down; return whether its breaker is open now."""
        breaker = self._all.setdefault(service, Breaker())
        breaker.failure(now, detail)
        return breaker.is_open

    def success(self) -> bool:
        """A record got through, so every service it needed answers; return whether that closed a breaker."""
        closed = self.any_open
        for breaker in self._all.values():
            breaker.success()
        return closed

    @property
    def any_open(self) -> bool:
        """True while any service counts as down."""
        return any(breaker.is_open for breaker in self._all.values())

    def may_probe(self, now: float) -> bool:
        """Return whether every service that is down may be tried now."""
        return all(breaker.may_probe(now) for breaker in self._all.values() if breaker.is_open)

    def cause(self) -> tuple[str, str] | None:
        """Return which service is down, and how that showed."""
        for service, breaker in self._all.items():
            if breaker.is_open:
                return service, breaker.detail
        return None
