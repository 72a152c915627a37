"""Who was served when: scenarios in which several lanes or tenants wait for one engine, and what each got of it."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.engines.run import Running
from tests.bench.engines.spec import Spec
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.bench.engines.run import Bench

WEIGHTS: Final = {"interactive": 8.0, "bulk": 2.0, "replay": 1.0}
"""As shipped."""
QUIET: Final = tuple(f"quiet{number}" for number in range(8))
HOT: Final = "hot"
PARTITIONS: Final = 4
THREADS: Final = 8
HANDLER_MS: Final = 5.0
FIRST_KEY: Final = b"first"
LIVE_GAP_S: Final = 0.01
"""Between two events of the live stream, tenants in turn."""
START_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Start:
    """One record's start."""

    topic: str
    tenant: str
    published: float
    at: float

    @property
    def waited_ms(self) -> float:
        """How long it stood in the log and in the engine, in milliseconds."""
        return 1000 * (self.at - self.published)


def lane_starts(bench: Bench, backlog: int) -> list[Start]:
    """Have three lanes with equal backlogs wait, by the shipped weights; the starts name the lanes."""
    topics = {lane: bench.topic(lane, PARTITIONS) for lane in WEIGHTS}
    group = bench.group(bench.ends(*topics.values()))
    for topic in reversed(topics.values()):
        bench.preload(topic, _keys(["tenant"], backlog))
    weights = {topics[lane]: weight for lane, weight in WEIGHTS.items()}
    starts = _starts(bench, group, weights, backlog * len(WEIGHTS))
    lane_of = {topic: lane for lane, topic in topics.items()}
    return [Start(lane_of[each.topic], each.tenant, each.published, each.at) for each in starts]


def tenant_starts(bench: Bench, backlog: int) -> list[Start]:
    """Have quiet tenants wait behind a hot one that was there first, with ten times as much as each of them."""
    topic = bench.topic("lane", PARTITIONS)
    group = bench.group(bench.ends(topic))
    bench.preload(topic, _keys([HOT], backlog))
    bench.preload(topic, _keys(QUIET, backlog * len(QUIET) // 10))
    return _starts(bench, group, {topic: 1.0}, backlog + backlog * len(QUIET) // 10)


def live_starts(bench: Bench, events: int, *, hot: int) -> list[Start]:
    """Publish events of the quiet tenants while the engine works on so many of a hot one."""
    topic = bench.topic("lane", PARTITIONS)
    group = bench.group(bench.ends(topic))
    bench.preload(topic, _keys([HOT], max(hot, 1)))
    starts = _starts(bench, group, {topic: 1.0}, max(hot, 1) + 1 + events, lambda: _live(bench, topic, QUIET, events))
    return [each for each in starts if each.tenant != FIRST_KEY.decode()]


def interactive_starts(bench: Bench, events: int, *, backlog: int) -> list[Start]:
    """Publish interactive events while bulk and replay have so many waiting each; the starts name the lanes."""
    topics = {lane: bench.topic(lane, PARTITIONS) for lane in WEIGHTS}
    group = bench.group(bench.ends(*topics.values()))
    for lane in ("bulk", "replay"):
        bench.preload(topics[lane], _keys(["tenant"], backlog))
    weights = {topics[lane]: weight for lane, weight in WEIGHTS.items()}
    live = topics["interactive"]
    starts = _starts(bench, group, weights, 2 * backlog + 1 + events, lambda: _live(bench, live, QUIET, events))
    lane_of = {topic: lane for lane, topic in topics.items()}
    named = [Start(lane_of[each.topic], each.tenant, each.published, each.at) for each in starts]
    return [each for each in named if each.tenant != FIRST_KEY.decode()]


def shares(starts: Sequence[Start], of: Callable[[Start], str]) -> dict[str, float]:
    """Return each one's share of the starts, for as long as all of them had something waiting."""
    counted = Counter(map(of, contended(starts, of)))
    return {name: number / counted.total() for name, number in counted.items()}


def longest_gap_ms(starts: Sequence[Start], of: Callable[[Start], str]) -> dict[str, float]:
    """Return the longest time that each went without a start, for as long as all had something waiting."""
    times: dict[str, list[float]] = {}
    for each in contended(starts, of):
        times.setdefault(of(each), []).append(each.at)
    return {name: 1000 * max(b - a for a, b in pairwise(own)) for name, own in times.items()}


def contended(starts: Sequence[Start], of: Callable[[Start], str]) -> list[Start]:
    """Return the starts from when everybody had begun until the first one had no more."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for each in starts:
        first.setdefault(of(each), each.at)
        last[of(each)] = each.at
    begin, end = max(first.values()), min(last.values())
    return [each for each in starts if begin <= each.at <= end]


def _starts(
    bench: Bench, group: str, weights: dict[str, float], expected: int, meanwhile: Callable[[], None] | None = None
) -> list[Start]:
    sink = bench.topic("out", PARTITIONS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "starts.json"
        spec = Spec(
            bench.bootstrap,
            tuple(weights),
            sink,
            group,
            expected,
            sleep_ms=HANDLER_MS,
            threads=THREADS,
            lanes=weights,
            starts=str(file),
        )
        running = Running(spec)
        if meanwhile is not None:
            wait_until(lambda: any(bench.ends(sink)[sink]), START_S, what="the engine's first answer", pause=0.02)
            meanwhile()
        if running.end() is None:
            raise RuntimeError(f"not everything was answered: {spec.to_json()}")
        rows = json.loads(file.read_text())
    bench.demand_committed(group, weights)
    starts = [Start(topic, key.partition("/")[0], published, at) for topic, key, published, at in rows]
    return sorted(starts, key=lambda each: each.at)


def _keys(tenants: Sequence[str], number: int) -> Iterable[bytes]:
    return (f"{tenants[index % len(tenants)]}/{index}".encode() for index in range(number))


def _live(bench: Bench, topic: str, tenants: Sequence[str], number: int) -> None:
    producer = bench.producer(**{"linger.ms": 0})
    producer.produce(topic, b"live", FIRST_KEY)  # connecting takes its time, and is nobody's waiting
    producer.flush(START_S)
    begin = time.monotonic()
    for index, key in enumerate(_keys(tenants, number)):
        time.sleep(max(0.0, begin + index * LIVE_GAP_S - time.monotonic()))
        producer.produce(topic, b"live", key + b"-live")
        producer.poll(0)
    producer.flush(START_S)
