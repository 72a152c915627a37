"""The process that runs the engine for a bench: `python -m tests.bench.engines.child SPEC`, the result on stdout."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import structlog

from schemas.record import Outgoing
from streams.adapters.kafka import KafkaBroker
from streams.compose.services import make_codec, make_topics
from streams.compose.stores import make_store
from streams.compose.worker import engine_settings, start_engine
from streams.runtime.shell import Engine
from streams.settings import load
from streams.settings.root import Settings
from tests.bench.engines.brokers import Commits, PlainBroker, WatchedBroker
from tests.bench.engines.spec import WARM_UP, Found, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.errors import Reason
    from schemas.record import Record
    from streams.runtime.ports import Broker

STOP_S = 5.0


class Trivial:
    """Answers each record with itself, after a sleep if one is asked for, and notes when it began."""

    def __init__(self, spec: Spec) -> None:
        self._sink = spec.sink
        self._sleep = spec.sleep_ms / 1000
        self.starts: list[tuple[Record, float]] | None = [] if spec.starts else None

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Answer."""
        if self.starts is not None:
            self.starts.append((record, time.time()))
        if self._sleep:
            time.sleep(self._sleep)
        return (Outgoing(self._sink, record.key, record.value),)

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> Sequence[Outgoing]:
        """Refuse: nothing here may fail."""
        raise AssertionError(f"{record} given up after {attempts}: {reason} {detail}")


class Watch:
    """Notes when the warm-up is committed and when the last answer is, then stops the engine.

    CPU time counts from the first commit, which is that of the opening positions, before any record starts: the
    engine works far ahead of its commits, so what it did for the answers of a short run lies before the warm-up's end.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._cpu = -1.0
        self._begin: tuple[int, int, float] | None = None
        self.found: Found | None = None
        self.engine: Engine | None = None

    def tell(self, answers: int, commits: int, now: float) -> None:
        """Take in a commit."""
        if self._cpu < 0:
            self._cpu = _cpu_seconds()
        if self._begin is None:
            if answers >= WARM_UP * self._expected:
                self._begin = (answers, commits, now)
        elif answers >= self._expected and self.found is None:
            before, done, began = self._begin
            spent = (_cpu_seconds() - self._cpu) / answers
            self.found = Found(answers - before, now - began, spent, _rss(), max(1, commits - done))
            assert self.engine is not None
            self.engine.stop(STOP_S)


def main() -> None:
    """Run it."""
    spec = Spec.from_json(sys.argv[1])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    watch = Watch(spec.expected)
    real: Broker = PlainBroker(spec.bootstrap) if spec.plain else KafkaBroker({"bootstrap.servers": spec.bootstrap})
    broker = WatchedBroker(real, Commits(watch.tell))
    handler = Trivial(spec)
    with _images(spec, broker) if spec.config else _trivial(spec, broker, handler) as engine:
        watch.engine = engine
        threading.Thread(target=_end_with_stdin, args=(engine,), daemon=True).start()
        engine.run()
    if handler.starts:
        _write(Path(spec.starts), handler.starts)
    if watch.found is not None:
        print(json.dumps(dataclasses.asdict(watch.found)), flush=True)


def _end_with_stdin(engine: Engine) -> None:
    sys.stdin.read()
    engine.stop(STOP_S)


@contextmanager
def _trivial(spec: Spec, broker: Broker, handler: Trivial) -> Iterator[Engine]:
    """Make the engine as the shipped settings have it, but for what the spec says."""
    settings = Settings()
    worker = settings.worker.model_copy(update={"concurrency": spec.threads})
    settings = settings.model_copy(update={"worker": worker})
    own = engine_settings(settings, make_topics(settings), f"{spec.group}-id")
    limits = dataclasses.replace(own.limits, lanes=spec.lanes)
    yield Engine(broker, handler, dataclasses.replace(own, topics=spec.topics, group=spec.group, limits=limits))


@contextmanager
def _images(spec: Spec, broker: Broker) -> Iterator[Engine]:
    """Make the whole worker around the broker."""
    settings = load(Path(spec.config)).settings
    settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"group": spec.group})})
    codec = make_codec(settings, make_topics(settings))
    with start_engine(settings, broker, make_store(settings), codec, f"{spec.group}-id") as engine:
        yield engine


def _write(file: Path, starts: Sequence[tuple[Record, float]]) -> None:
    rows = [(r.topic, (r.key or b"").decode(), r.timestamp_ms / 1000, at) for r, at in starts]
    file.write_text(json.dumps(rows))


def _cpu_seconds() -> float:
    us = psutil.Process()
    return sum(sum(each.cpu_times()[:4]) for each in [us, *us.children(recursive=True)])


def _rss() -> int:
    us = psutil.Process()
    status = Path("/proc/self/status")
    peak = us.memory_info().rss
    if status.exists():  # the highest ever, where the system keeps it
        lines = status.read_text().splitlines()
        peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return peak + sum(each.memory_info().rss for each in us.children(recursive=True))


if __name__ == "__main__":
    main()
