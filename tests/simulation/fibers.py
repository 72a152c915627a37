"""Blocking code in simulated time: a function on a thread of its own that runs only while everything else waits.

The world resumes a fiber; it runs until it asks for something (`Fiber.ask`) or ends, and hands the baton back. So
exactly one thread runs at any time, and the order of events comes from whoever resumes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Gone(BaseException):
    """The process of this fiber has ended: nothing in it may go on."""


class Fiber:
    """One call of a function. ``asked`` gets what it asks for, ``ended`` its result or its exception."""

    def __init__(
        self,
        function: Callable[[Fiber], Any],
        asked: Callable[[Any], None],
        ended: Callable[[Any, Exception | None], None],
    ) -> None:
        self._function = function
        self._asked = asked
        self._ended = ended
        self._inside = threading.Lock()
        self._outside = threading.Lock()
        self._inside.acquire()
        self._outside.acquire()
        self._request: Any = None
        self._answer: tuple[Any, BaseException | None] = (None, None)
        self._result: tuple[Any, Exception | None] | None = None
        self.over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resume(self, value: Any = None, error: BaseException | None = None) -> None:  # noqa: ANN401 - whatever was asked for
        """Answer what was asked for last (first: let it begin), and run on to the next question or the end."""
        self._answer = value, error
        self._inside.release()
        self._outside.acquire()
        if self._result is None:
            self._asked(self._request)
            return
        self.over = True
        if not isinstance(error, Gone):
            self._ended(*self._result)

    def end(self) -> None:
        """Unwind it: its process is gone."""
        if not self.over:
            self.resume(error=Gone())

    def ask(self, request: Any) -> Any:  # noqa: ANN401 - as above
        """Inside: ask for something and wait for the answer."""
        self._request = request
        self._outside.release()
        self._inside.acquire()
        value, error = self._answer
        if error is not None:
            raise error
        return value

    def _run(self) -> None:
        self._inside.acquire()
        try:
            self._result = None if self._answer[1] else (self._function(self), None)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the result
            self._result = None, error
        except Gone:
            pass
        self._result = self._result or (None, None)
        self._outside.release()
