"""A worker process whose handler a test wrote: one record ends the process, as a defect in native code would.

``python -m tests.life.poison BOOTSTRAP SOURCE SINK GROUP SLOT``; SIGTERM ends it in an orderly way. The slot is its
transactional id and its name in the group, so that a restarted process goes on at once.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from schemas.errors import Reason
from schemas.record import Outgoing
from streams.adapters.kafka import KafkaBroker, Timing
from streams.runtime.shell import Engine, EngineSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.record import Record

POISON: Final = 7
"""The value that ends the process."""
DEAD: Final = 86
"""With this exit code."""
DRAIN_S: Final = 10.0


class Deadly:
    """Answers each number with itself, a convicted one with its negative."""

    def __init__(self, sink: str) -> None:
        self._sink = sink

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Answer, unless it is the poison."""
        if int(record.value or b"0") == POISON:
            os._exit(DEAD)
        return (Outgoing(self._sink, record.key, record.value or b""),)

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> Sequence[Outgoing]:  # noqa: ARG002
        """Answer with the negative; any other reason is a mistake that the test will see."""
        value = b"-" + (record.value or b"") if reason is Reason.WORKER_CRASHED else reason.value.encode()
        return (Outgoing(self._sink, record.key, value),)


def main(bootstrap: str, source: str, sink: str, group: str, slot: str) -> None:
    """Run until told to stop."""
    broker = KafkaBroker({"bootstrap.servers": bootstrap}, Timing(session_s=20.0, instance=slot))
    engine = Engine(broker, Deadly(sink), EngineSettings((source,), group, slot, threads=4))
    signal.signal(signal.SIGTERM, lambda *_: engine.stop(DRAIN_S))
    engine.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
