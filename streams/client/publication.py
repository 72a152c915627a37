"""The handle of one publish: what was said, and how its delivery ended. It sends nothing itself."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from schemas.events import Input
    from streams.client.sender import Delivery


class Publication:
    """One event on its way. Thread-safe; an error is kept until somebody has seen it."""

    def __init__(self, tenant: str, image_id: str, event_id: UUID, hlc: int) -> None:
        self.tenant = tenant
        self.image_id = image_id
        self.event_id = event_id
        """Kept on every retry; answers name it in ``cause.event_id``."""
        self.hlc = hlc
        self.event: Input | None = None
        """The event as it is sent; None while its original is still being uploaded, or if that failed."""
        self._future: Future[Delivery] = Future()
        self._seen = threading.Event()

    def done(self) -> bool:
        """Say whether the event was delivered or given up."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Delivery:
        """Wait until the event is delivered and return where it landed; raise why it was not.

        Raise `TimeoutError` after ``timeout`` seconds; the event is still on its way then.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._future.result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until the event is delivered or given up and return why it was not, None if it was."""
        error = self._future.exception(timeout)
        self._seen.set()
        return error

    def wait(self) -> None:
        """Wait until it is done, without taking notice of how it ended."""
        wait([self._future])

    def when_done(self, call: Callable[[Publication], None]) -> None:
        """Call back when it is done, from a thread of the publisher's: be quick, and do not wait for others there."""
        self._future.add_done_callback(lambda _: call(self))

    def unseen_failure(self) -> bool:
        """Say whether this failed and nobody was told."""
        return self._future.done() and not self._seen.is_set() and self._future.exception() is not None

    def settle(self, delivery: Delivery | BaseException) -> None:
        """End it; the publisher's business."""
        if isinstance(delivery, BaseException):
            self._future.set_exception(delivery)
        else:
            self._future.set_result(delivery)
