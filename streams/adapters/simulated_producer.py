"""A transactional producer on the simulated cluster, with the client's own rules about what may follow what.

Records go into the log when they are produced; like the real client it sends requests again by itself and says
nothing but a count.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, NoReturn, cast

from streams.adapters.simulated_cluster import RECORD_LIMIT
from streams.adapters.simulated_faults import Call, Faults, Kind
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.record import Outgoing, TopicPartition
    from streams.adapters.simulated_cluster import SimulatedCluster
    from streams.adapters.simulated_group import MemberMetadata
    from streams.adapters.simulated_transactions import Session
    from streams.runtime.ports import GroupMetadata, Position


class _State(Enum):
    NEW = auto()
    READY = auto()
    IN_TRANSACTION = auto()
    MUST_ABORT = auto()
    COMMITTING = auto()
    """The answer to EndTxn is missing; only the same call again, or nothing."""
    ABORTING = auto()
    DEAD = auto()


class SimulatedProducer:
    """The producer of one transactional id."""

    def __init__(self, cluster: SimulatedCluster, transactional_id: str, faults: Faults, timeout_s: float) -> None:
        self._cluster = cluster
        self._coordinator = cluster.coordinator
        self._id = transactional_id
        self._faults = faults
        self._timeout_s = timeout_s
        self._state = _State.NEW
        self._session: Session | None = None
        self._wrote = False
        """Whether the coordinator knows of the running transaction: an empty one is ended by the client alone."""
        self._refused: dict[int, BrokerError] = {}
        self._queue: list[Outgoing] = []
        """Produced while no broker was there; delivered with what is asked next of one that is."""
        self._disturbances = 0

    def init_transactions(self, timeout: float) -> None:  # noqa: ARG002 - time stands still
        """Take the next epoch."""
        self._require("init_transactions", _State.NEW)

        def request() -> None:
            self._session = self._coordinator.initialise(self._id, self._timeout_s)

        self._send("init_transactions", request)
        self._state = _State.READY

    def begin(self) -> None:
        """Begin a transaction, which the coordinator learns of by its first record or position."""
        self._require("begin", _State.READY)
        if self._faults(Call(self._id, "begin")).kind is Kind.FATAL:
            self._die()
        self._state, self._wrote = _State.IN_TRANSACTION, False
        self._refused.clear()

    def produce(self, index: int, record: Outgoing) -> None:
        """Append a record; whatever goes wrong with it shows up later."""
        self._require("produce", _State.IN_TRANSACTION, _State.MUST_ABORT)
        size = len(record.key or b"") + len(record.value or b"")
        if size > RECORD_LIMIT:
            self._refused[index] = BrokerError(Severity.ABORTABLE, "MSG_SIZE_TOO_LARGE", f"{size} bytes")
        elif self._state is _State.IN_TRANSACTION:
            kind = self._faults(Call(self._id, "produce")).kind
            if kind is Kind.FATAL:
                self._die()
            if kind is Kind.ABORTABLE:
                self._state = _State.MUST_ABORT
            else:
                self._queue.append(record)
                self._deliver()

    def send_offsets(self, positions: Mapping[TopicPartition, Position], group: GroupMetadata, timeout: float) -> None:  # noqa: ARG002
        """Make these positions part of the transaction."""
        self._require("send_offsets", _State.IN_TRANSACTION)
        session, shown = self._checked(), cast("MemberMetadata", group)
        held = {p: position for p, position in positions.items() if position.offset is not None}
        if not held:
            return
        if not self._cluster.up:
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT")
        self._coordinator.add_group(session, shown.group)
        self._wrote = True
        self._send("send_offsets", lambda: self._coordinator.commit_offsets(session, held, shown))

    def deliver(self, timeout: float) -> None:
        """Append what is queued. ABORTABLE if a record was refused."""
        if self._refused:
            index, error = next(iter(self._refused.items()))
            raise BrokerError(Severity.ABORTABLE, error.code, f"record {index} was refused")
        self.flush(timeout)
        if self._queue:
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT")

    def commit(self, timeout: float) -> None:  # noqa: ARG002
        """Commit."""
        self._require("commit", _State.IN_TRANSACTION, _State.COMMITTING)
        assert not self._queue  # noqa: S101 - `deliver` comes first
        self._end(_State.COMMITTING, "commit", commit=True)

    def flush(self, timeout: float) -> None:  # noqa: ARG002
        """Nothing to wait for but a broker; it may take longer than the time-out."""
        if self._cluster.judge(self._faults, Call(self._id, "flush")).kind is Kind.RETRIABLE:
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT")
        if self._state is _State.IN_TRANSACTION:
            self._deliver()

    def abort(self, timeout: float) -> None:  # noqa: ARG002
        """Abort."""
        self._require("abort", _State.IN_TRANSACTION, _State.MUST_ABORT, _State.ABORTING)
        self._queue.clear()
        self._end(_State.ABORTING, "abort", commit=False)

    def refused(self) -> dict[int, BrokerError]:
        """Return, and forget, the refused records of the running transaction."""
        refused, self._refused = self._refused, {}
        return refused

    def disturbances(self) -> int:
        """Return how often a connection broke or something was sent again."""
        return self._disturbances + self._cluster.restarts

    def close(self) -> None:
        """Forget everything; the coordinator is not told."""
        self._state = _State.DEAD

    # --- requests ------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Append what is queued, if a broker is there to take it."""
        if self._queue and self._cluster.up:
            session = self._checked()
            for record in self._queue:
                self._coordinator.add_record(session, self._cluster.place(record), record)
            self._queue.clear()
            self._wrote = True

    def _end(self, while_open: _State, name: str, *, commit: bool) -> None:
        if self._wrote:
            session = self._checked()
            self._state = while_open
            self._send(name, lambda: self._coordinator.end(session, commit=commit))
        self._state = _State.READY
        self._refused.clear()

    def _send(self, name: str, request: Callable[[], None]) -> None:
        """Send one request and let the fault decide what comes back, and what arrives once more."""
        fault = self._cluster.judge(self._faults, Call(self._id, name))
        match fault.kind:
            case Kind.SUCCEED:
                self._answered(request)
            case Kind.LATE_COPY:
                self._answered(request)
                if name != "init_transactions":
                    self._disturbances += 1
                    self._cluster.hold_back(fault.delay_s, request)
            case Kind.RETRIABLE:
                raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT")
            case Kind.ABORTABLE if self._state in (_State.IN_TRANSACTION, _State.COMMITTING):
                self._state = _State.MUST_ABORT
                raise BrokerError(Severity.ABORTABLE, "UNKNOWN")
            case Kind.FATAL | Kind.ABORTABLE:
                self._die()
            case Kind.INDEFINITE_DONE:
                with suppress(BrokerError):
                    request()
                raise BrokerError(Severity.INDEFINITE, "_TIMED_OUT")
            case Kind.INDEFINITE_NOT_DONE:
                raise BrokerError(Severity.INDEFINITE, "_TIMED_OUT")

    def _answered(self, request: Callable[[], None]) -> None:
        try:
            request()
        except BrokerError as error:
            self._state = _State.MUST_ABORT if error.severity is Severity.ABORTABLE else _State.DEAD
            raise

    def _checked(self) -> Session:
        if self._session is None:
            self._die()
        return self._session

    def _require(self, call: str, *allowed: _State) -> None:
        if self._state in allowed:
            return
        if self._state is _State.MUST_ABORT:
            raise BrokerError(Severity.ABORTABLE, "_STATE", f"{call}: the transaction has failed")
        raise BrokerError(Severity.FATAL, "_STATE", f"{call} in state {self._state.name}")

    def _die(self) -> NoReturn:
        self._state = _State.DEAD
        raise BrokerError(Severity.FATAL, "_FATAL")
