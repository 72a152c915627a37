"""What may go wrong with a call to the simulated broker, and who decides it. Injects nothing by itself.

Every call asks one function, so a schedule is that function: seeded, scripted or `no_faults`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """How a call ends."""

    SUCCEED = auto()
    RETRIABLE = auto()
    """Not done; the same call may succeed."""
    ABORTABLE = auto()
    """Not done, and the transaction cannot be committed any more."""
    FATAL = auto()
    """Not done, and the producer is dead."""
    INDEFINITE_DONE = auto()
    """Done, but the answer was lost."""
    INDEFINITE_NOT_DONE = auto()
    """Not done, but the caller cannot know."""
    LATE_COPY = auto()
    """Done at once by a silent resend after a disconnect; the FIRST copy arrives ``delay_s`` later.

    Only TxnOffsetCommit and EndTxn (send_offsets, commit, abort) do this; elsewhere it is a plain success.
    """


@dataclass(frozen=True, slots=True)
class Fault:
    """One decision."""

    kind: Kind
    delay_s: float = 0.0
    """Simulated seconds until a late copy arrives."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is about to happen: ``client`` is the transactional id or the group, ``name`` the method's."""

    client: str
    name: str


Faults = Callable[[Call], Fault]
SUCCEED = Fault(Kind.SUCCEED)


def no_faults(_call: Call) -> Fault:
    """Let everything succeed."""
    return SUCCEED
