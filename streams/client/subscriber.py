"""Reads ready, failed and deleted events as a group: each is handled, then its position committed; none is skipped.

Delivery is at least once: after a crash, or a rebalance that could not wait, an event comes again with the same event
id. What cannot be handled is tried again, then parked, so one bad event never stops the others. It runs one handler at
a time; for more at once run more subscribers of the same group, in threads or processes.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, Self

from schemas.errors import Permanent, Transient
from schemas.headers import DeadLetter
from streams.client.feed import Feed, Membership, Start
from streams.client.inbox import Inbox, Taken
from streams.client.kafka import demand_topics
from streams.client.messages import Message, Wanted
from streams.client.parker import Parker
from streams.client.patience import LetGoError, Patience, outlast, try_again
from streams.client.process import HomeProcess
from streams.client.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from schemas.record import Record
    from schemas.topics import Topics
    from streams.client.parts import Parts
    from streams.client.reader import Found

Kind = Literal["ready", "failed", "deleted"]

_SLICE_S: Final = 0.2
"""How soon `Subscriber.stop`, which may be called by a signal handler and so takes no lock, is noticed."""
_PATIENCE: Final = Patience()
_READY_ONLY: Final[tuple[Kind, ...]] = ("ready",)


class Subscriber:
    """One member of a group. Iterate over it, call `poll`, or give `run` a handler; one of these at a time.

    `stop` and `close` may be called from any thread.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each thing that a subscription says
        self,
        parts: Parts,
        *,
        group: str,
        start: Start,
        topics: Collection[Kind] = _READY_ONLY,
        tenants: str | Collection[str] | None = None,
        replays: str | Collection[str] = "all",
        on_error: Literal["park", "raise"] = "park",
        patience: Patience = _PATIENCE,
        session_s: float = 10.0,
        revoke_s: float = 5.0,
    ) -> None:
        """Join the group. Raise `Unavailable` if no broker answers, `RefusedError` if a topic is missing.

        ``start``: where a NEW group begins, ``latest`` or ``earliest``; one that exists goes on where it was.
        ``tenants``, ``replays`` (``all``, ``exclude``, ``only``, or a set of ids): what is wanted of them.
        ``on_error``: whether an event that can't be handled is parked, or raised and delivered again.
        ``session_s``: after how many seconds a member that died is replaced.
        ``revoke_s``: how long the handler of an event may hold up others that join; after that they get its partition,
        and the event too.
        """
        if group == parts.worker_group:
            raise ValueError(f"{group} is the workers' group (kafka.group); a subscriber needs one of its own")
        self._home = HomeProcess("subscriber")
        self._on_error = on_error
        self._patience = patience
        self._stop = threading.Event()
        self._current: Taken | None = None
        self._message: Message | None = None
        self._inbox = Inbox()
        self._parker = Parker(parts, group)
        self._reader = Reader(parts.codec, Wanted.of(tenants, replays), self._parker.topic)
        names = topic_names(parts.topics, topics)
        demand_topics(parts.kafka, names, timeout_s=parts.timeout_s)
        if on_error == "park":
            self._parker.ensure()
        parked = frozenset({self._parker.topic} if on_error == "park" else ())
        membership = Membership(group, [*names, *parked], start, parked, session_s, revoke_s)
        self._feed = Feed(parts.kafka, membership, self._inbox)

    def wait_assigned(self, timeout: float) -> bool:
        """Wait until this member has its first share; False if that took longer than ``timeout`` seconds.

        What is published after this is seen, even by a new group that starts at the latest.
        """
        self._home.demand()
        return self._inbox.was_assigned(timeout)

    def poll(self, timeout: float | None = None) -> Message | None:
        """Say that the previous event is handled and return the next; None after ``timeout`` seconds, or `stop`.

        Undecodable records are parked on the way, a registry that is down is waited for. Raise `Unavailable`,
        `RefusedError` or `ParkingError` if it cannot go on; nothing is lost then.
        """
        self._home.demand()
        self._finish_current()
        give_up = None if timeout is None else monotonic() + timeout
        while not self._stop.is_set():
            left = _SLICE_S if give_up is None else min(_SLICE_S, give_up - monotonic())
            taken = self._inbox.take(max(left, 0))
            if taken is not None:
                self._message = self._receive(taken)
                if self._message is not None:
                    return self._message
            elif left <= 0:
                return None
        return None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        message = self.poll()
        if message is None:
            raise StopIteration
        return message

    def run(self, handler: Callable[[Message], object]) -> None:
        """Handle every event until `stop`: try again what fails, park what goes on failing.

        ``handler`` gets one event at a time and may take as long as it needs. A `Permanent` error parks the event at
        once. Exits such as KeyboardInterrupt leave the event unhandled, to be delivered again.
        """
        for message in self:
            self._handle(message, handler)

    def park(self, error: Exception, attempts: int = 1) -> None:
        """Park the event in hand: what `run` does with one that goes on failing, for those who iterate.

        Waits while Kafka is away. Raise `ParkingError` if Kafka does not take the event.
        """
        self._home.demand()
        if self._message is None:
            raise ValueError("there is no event in hand")
        self._set_aside(self._message.record, "handle", "park", error, attempts)

    def stop(self) -> None:
        """End the iteration, or `run`, after the event in hand. Safe in a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Commit what was handled and leave the group. The event in hand counts as not handled.

        In a forked child this does nothing: the member is the parent's.
        """
        if not self._home.is_here():
            return
        self._stop.set()
        self._feed.close()
        self._parker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._home.is_here():
            self._finish_current()  # a loop that was left without an error was done with its event
        self.close()

    def _receive(self, taken: Taken) -> Message | None:
        """Return what is to be handled; everything else is finished here."""
        self._current = taken
        try:
            message = self._open(taken.record)
        except LetGoError:
            self._give_back()
            return None
        except BaseException:
            self._give_back()
            raise
        if message is None:
            self._finish_current()
        return message

    def _open(self, record: Record) -> Message | None:
        """Return the message; None for what is not wanted, and for what could not be read and was parked."""
        found = self._reader.find(record)
        if found is None:
            return None
        try:
            return self._read(found)
        except Permanent as error:
            if self._on_error == "raise":
                raise
            self._set_aside(found.record, "decode", "Codec", error, attempts=1)
            return None

    def _read(self, found: Found) -> Message | None:
        try:
            return self._reader.read(found)
        except Transient:
            return outlast(self._wait, f"reading {_place(found.record)}")(self._reader.read, found)

    def _handle(self, message: Message, handler: Callable[[Message], object]) -> None:
        try:
            self._try(message, handler)
        except LetGoError:
            self._give_back()
        except BaseException:
            self._give_back()
            raise
        else:
            self._finish_current()

    def _try(self, message: Message, handler: Callable[[Message], object]) -> None:
        """Call the handler until it succeeds; park what goes on failing, unless others have the event by then."""
        try:
            try_again(self._patience, self._wait, f"handling {message.event_id}")(handler, message)
        except LetGoError:
            raise
        except Exception as error:
            if self._on_error == "raise":
                raise
            if self._current is not None and self._inbox.holds(self._current):
                attempts = 1 if isinstance(error, Permanent) else self._patience.attempts
                self._set_aside(message.record, "handle", _name(handler), error, attempts)

    def _set_aside(self, record: Record, stage: str, who: str, error: Exception, attempts: int) -> None:
        letter = DeadLetter(
            record.topic, record.partition, record.offset, stage, who, f"{type(error).__name__}: {error}"
        )
        outlast(self._wait, f"parking {_place(record)}")(self._parker.park, record, letter, attempts)

    def _wait(self, seconds: float) -> None:
        """Sleep, but raise `LetGoError` as soon as there is no sense in trying again."""
        give_up = monotonic() + seconds
        while (left := give_up - monotonic()) > 0:
            if self._stop.wait(min(left, _SLICE_S)) or self._current is None or not self._inbox.holds(self._current):
                raise LetGoError

    def _finish_current(self) -> None:
        current, self._current, self._message = self._current, None, None
        if current is not None:
            self._inbox.finish(current)

    def _give_back(self) -> None:
        current, self._current, self._message = self._current, None, None
        if current is not None:
            self._inbox.give_back(current)


def topic_names(topics: Topics, kinds: Collection[Kind]) -> list[str]:
    """Return the names of the output topics. Raise ValueError for a kind that there is not."""
    known = {"ready": topics.ready.name, "failed": topics.failed.name, "deleted": topics.deleted.name}
    unknown = [kind for kind in kinds if kind not in known]
    if unknown or not kinds:
        raise ValueError(f"topics are some of {', '.join(known)}, not {unknown or 'none'}")
    return [known[kind] for kind in kinds]


def _place(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _name(handler: Callable[[Message], object]) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__qualname__))
