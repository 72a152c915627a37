"""The two timetables: one event every 50 ms, and a steady stream in which one event takes five seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.adapters.murmur2 import partition_for
from tests.bench.peers import live
from tests.bench.peers.broker import PARTITIONS
from tests.bench.peers.events import event, number_of
from tests.bench.peers.live import FIRST, Due, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.peers.broker import Cluster
    from tests.bench.peers.contestants import Contestant
    from tests.bench.peers.live import Live

IDLE_GAP_S: Final = 0.05
RATE: Final = 720
"""Events a second around the poison: 60 of them on its partition."""
BEFORE_S: Final = 1.0
POISON_S: Final = 5.0
WINDOW_S: Final = 4.6
"""What is published so long after the poison has 0.4 s to be seen before it ends: 276 events of its partition."""
AFTER_S: Final = 0.2
_KEYS_EACH: Final = 100


@dataclass(frozen=True, slots=True)
class Stream:
    """A timetable with one special event."""

    timetable: list[Due]
    poison: int
    others: list[int]
    """The events on the poison's partition, of other keys, published while it lasts."""


def idle(cluster: Cluster, contestant: Contestant, count: int) -> tuple[Mapping[str, float], Live]:
    """W3: nothing to do but one event every 50 ms."""
    timetable = [Due(index * IDLE_GAP_S, event(FIRST + index)) for index in range(count)]
    found = live.run(cluster, contestant, timetable)
    times = [found.latency(number_of(due.event.value)) * 1e3 for due in timetable]
    return {"events": count, "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99)}, found


def stream(*, poisoned: bool) -> Stream:
    """Make the timetable; without poison the special event takes no time, and all else is the same."""
    keys = _keys()
    poison = FIRST + round(BEFORE_S * RATE)
    timetable, others = [], []
    for index in range(round((BEFORE_S + WINDOW_S + AFTER_S) * RATE)):
        number = FIRST + index
        own = keys[index % PARTITIONS]
        if number == poison:
            timetable.append(Due(index / RATE, event(number, key=own[0], sleep_us=round(POISON_S * 1e6 * poisoned))))
            continue
        key = own[1 + (index // PARTITIONS) % (_KEYS_EACH - 1)]
        timetable.append(Due(index / RATE, event(number, key=key)))
        if (number - poison) % PARTITIONS == 0 and poison < number <= poison + WINDOW_S * RATE:
            others.append(number)
    return Stream(timetable, poison, others)


def poison(cluster: Cluster, contestant: Contestant) -> tuple[Mapping[str, float], tuple[Live, Live]]:
    """Run the stream without and with the poison."""
    plain, poisoned = stream(poisoned=False), stream(poisoned=True)
    control = live.run(cluster, contestant, plain.timetable)
    found = live.run(cluster, contestant, poisoned.timetable)
    end = found.published[poisoned.poison] + POISON_S
    usual = percentile([control.latency(number) * 1e3 for number in plain.others], 0.99)
    beside = percentile([found.latency(number) * 1e3 for number in poisoned.others], 0.99)
    figures = {
        "others": len(poisoned.others),
        "visible": sum(found.visible.get(number, end) < end for number in poisoned.others),
        "p99_ms": beside,
        "p99_ms_without": usual,
        "p99_ratio": beside / usual,
    }
    return figures, (control, found)


def _keys() -> list[list[bytes]]:
    """Return as many keys for each partition: the first is the poison's, if it is its partition."""
    found: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    number = 0
    while any(len(own) < _KEYS_EACH for own in found):
        key = b"stream-%d" % number
        own = found[partition_for(key, PARTITIONS)]
        if len(own) < _KEYS_EACH:
            own.append(key)
        number += 1
    return found
