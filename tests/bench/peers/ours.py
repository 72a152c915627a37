"""Our contestant: the engine as `darkroom worker` assembles it, on the real adapter, with a handler that only answers.

Every setting is the shipped default; a number of threads on the command line is the one thing that may differ.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from schemas.record import Outgoing
from streams.adapters.kafka import KafkaBroker, Timing
from streams.compose.services import kafka_properties, make_topics
from streams.compose.worker import engine_settings
from streams.runtime.shell import Engine
from streams.settings.root import Settings
from tests.bench.peers.events import HEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.errors import Reason
    from schemas.record import Record


class Echo:
    """Answers each record with itself, after the sleep that it asks for."""

    def __init__(self, sink: str) -> None:
        self._sink = sink

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Sleep and answer."""
        value = record.value or b""
        sleep_us = HEAD.unpack_from(value)[1]
        if sleep_us:
            time.sleep(sleep_us / 1e6)
        return (Outgoing(self._sink, record.key, value),)

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> Sequence[Outgoing]:
        """Refuse: nothing here may fail."""
        raise AssertionError(f"{record} given up after {attempts}: {reason} {detail}")


def main(bootstrap: str, source: str, sink: str, group: str, *threads: str) -> None:
    """Work until SIGTERM."""
    settings = Settings()
    if threads:
        worker = settings.worker.model_copy(update={"concurrency": int(threads[0])})
        settings = settings.model_copy(update={"worker": worker})
    timing = Timing(
        group_protocol=settings.kafka.group_protocol,
        session_s=settings.kafka.session_timeout_s,
        transaction_s=settings.kafka.transaction_timeout_s,
    )
    broker = KafkaBroker({**kafka_properties(settings), "bootstrap.servers": bootstrap}, timing)
    own = engine_settings(settings, make_topics(settings), group)
    engine = Engine(broker, Echo(sink), dataclasses.replace(own, topics=(source,), group=group))
    signal.signal(signal.SIGTERM, lambda *_: engine.stop(2.0))
    engine.run()


if __name__ == "__main__":
    if any(name.startswith("DARKROOM_") for name in os.environ):
        sys.exit("DARKROOM_* is set: this is to run with the defaults as shipped")
    main(*sys.argv[1:])
