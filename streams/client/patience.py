"""How long to try: a handler's errors a few times, an outage for as long as it lasts. Every wait can be cut short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_never,
    wait_exponential,
    wait_random,
)

from schemas.errors import Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity.wait import wait_base

OUTAGE_FIRST_S: Final = 0.2
OUTAGE_LONGEST_S: Final = 10.0


class LetGoError(Exception):
    """Inside: the trying was cut short, because the subscriber stops or others have the partition now."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a handler is tried with one event before the event is parked; waits double, with jitter."""

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0


def try_again(patience: Patience, sleep: Callable[[float], None], what: str) -> Retrying:
    """Return a caller that tries again after any error but `Permanent`, and then raises the last one.

    ``sleep`` waits; what it raises ends the trying.
    """
    return Retrying(
        stop=stop_after_attempt(patience.attempts),
        wait=_doubling(patience.first_wait_s, patience.longest_wait_s),
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and not isinstance(error, Permanent)),
        sleep=sleep,
        before_sleep=_say("trying_again", what),
        reraise=True,
    )


def outlast(sleep: Callable[[float], None], what: str) -> Retrying:
    """Return a caller that tries again for as long as a service is away (`Transient`, `Unavailable`)."""
    return Retrying(
        stop=stop_never,
        wait=_doubling(OUTAGE_FIRST_S, OUTAGE_LONGEST_S),
        retry=retry_if_exception_type(Transient),
        sleep=sleep,
        before_sleep=_say("waiting_for_a_service", what),
        reraise=True,
    )


def _doubling(first_s: float, longest_s: float) -> wait_base:
    """Up to double the first wait more, so that those who failed together do not come back together."""
    return wait_exponential(multiplier=first_s, max=longest_s) + wait_random(0, first_s)


def _say(event: str, what: str) -> Callable[[RetryCallState], None]:
    def say(state: RetryCallState) -> None:
        error: Any = state.outcome.exception() if state.outcome else None
        structlog.get_logger().warning(
            event, what=what, attempt=state.attempt_number, error=f"{type(error).__name__}: {error}"
        )

    return say
