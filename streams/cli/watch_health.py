"""Whether a worker can do its job now: asks the services again and again, beside the work, and remembers the answers.

Only readiness comes from here. A service that is down is no reason to kill the worker, so liveness never asks.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import DarkroomError
from streams.runtime.states import MEANINGS, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streams.adapters.health import Readiness

log = structlog.get_logger()
INTERVAL_S = 3.0
LIVE_S = 90.0
"""An engine whose last step is older than this does not work any more; a rebalance may take a minute."""


class HealthWatch:
    """Named checks, each a call that raises when its service is down."""

    def __init__(self, checks: Mapping[str, Callable[[], None]], status: Callable[[], Mapping[str, Any]]) -> None:
        self._checks = checks
        self._status = status
        self._reasons: dict[str, str] = {}

    def look(self) -> None:
        """Ask every service once."""
        for name, check in self._checks.items():
            try:
                check()
            except DarkroomError as error:
                if name not in self._reasons:
                    log.warning("not_ready", service=name, reason=str(error))
                self._reasons[name] = str(error)
            else:
                if self._reasons.pop(name, None) is not None:
                    log.info("ready_again", service=name)

    def live(self) -> Readiness:
        """Return whether the engine still takes steps, with its state."""
        status = self._status()
        live = float(status.get("step_age_s", 0.0)) < LIVE_S
        return live, {name: status[name] for name in ("state", "since") if name in status}

    def ready(self) -> Readiness:
        """Return whether work can go on, with the engine's status and the reason where it cannot."""
        status = dict(self._status())
        reasons = [f"{name}: {reason}" for name, reason in list(self._reasons.items())]
        state = State(status["state"])
        reasons += [f"stopped: {place}: {why}" for place, why in dict(status.get("partitions_stopped", {})).items()]
        if not MEANINGS[state].ready and state is not State.OPERATOR:
            reasons.append(f"engine: {state}: {status['why']}" if status.get("why") else f"engine: {state}")
        return not reasons, {**status, "reason": "; ".join(reasons)} if reasons else status

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look every few seconds while the context lasts."""
        over = threading.Event()

        def loop() -> None:
            while not over.wait(INTERVAL_S):
                self.look()

        threading.Thread(target=loop, name="health-watch", daemon=True).start()
        try:
            yield
        finally:
            over.set()
