"""Real events with tiny pictures through a real `darkroom worker`: how many a second, and how long each takes.

First the capacity, by bursts; then open-loop at 10, 50 and 80 % of it: from when an event was due until its ready event
is read committed. "over" is what is left without the pure render time, which is measured beside in a quiet process and
is 0 for an event whose image is done already. Every second event is one of those.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import psutil

from tests.bench.engines.run import whole_stack
from tests.bench.engines.traffic import Traffic, place_settings, pure_render_ms
from tests.bench.peers.live import percentile
from tests.bench.peers.plan import Aim
from tests.bench.peers.report import Table
from tests.cli.worker import RunningWorker
from tests.command import make_place
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.engines.traffic import Answered

SHARES: Final = (0.1, 0.5, 0.8)
AIM_SHARE: Final = "50 %"
START_S: Final = 60.0
WARM: Final = 0.1
"""The share of a burst, and of a stream, that does not count."""
STAGES: Final = ("fetch_ms", "inspect_ms", "render_ms", "put_ms")
AIMS: Final = (
    Aim("p50 over the pure render time at 50 %, ms", 10, lambda by: by[AIM_SHARE]["over_p50_ms"], at_least=False),
    Aim("p99 over the pure render time at 50 %, ms", 30, lambda by: by[AIM_SHARE]["over_p99_ms"], at_least=False),
)


class Usage:
    """The CPU time and memory of the worker and its renderers."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def cpu_seconds(self) -> float:
        """Return the time used so far."""
        return sum(sum(each.cpu_times()[:4]) for each in self._all())

    def rss_mb(self) -> float:
        """Return what they hold now."""
        return sum(each.memory_info().rss for each in self._all()) / 1e6

    def _all(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def capacity(answered: Sequence[Answered]) -> float:
    """Return events a second of a burst, once the first tenth is done."""
    times = sorted(each.seen for each in answered)
    first = round(WARM * len(times))
    return (len(times) - 1 - first) / (times[-1] - times[first])


def figures(answered: Sequence[Answered], pure_ms: float) -> dict[str, float]:
    """Return the latencies of a stream, and where a rendered event's time went as the worker tells it."""
    counted = answered[round(WARM * len(answered)) :]
    rendered = [each for each in counted if each.made.rendered]
    known = [each for each in counted if not each.made.rendered]
    over = [each.ms - (pure_ms if each.made.rendered else 0.0) for each in counted]
    found = {
        "over_p50_ms": percentile(over, 0.5),
        "over_p99_ms": percentile(over, 0.99),
        "rendered_p50": percentile([each.ms for each in rendered], 0.5),
        "rendered_p99": percentile([each.ms for each in rendered], 0.99),
        "known_p50": percentile([each.ms for each in known], 0.5),
        "known_p99": percentile([each.ms for each in known], 0.99),
    }
    for stage in STAGES:
        found[stage] = percentile([getattr(each.ready.timings, stage) for each in rendered], 0.5)
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="just bench load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stream")
    parser.add_argument("--burst", type=int, default=1_000, help="events by which the capacity is found")
    parser.add_argument("--quick", action="store_true", help="one round, 5 s streams, small bursts")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.burst = 1, 5.0, 300
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        servers = resources.enter_context(whole_stack())
        place = make_place(servers, folder, f"load-{os.getpid()}", **place_settings(folder))
        worker = RunningWorker(resources.enter_context(place.started("worker")))
        wait_until(lambda: worker.port, START_S, what="the worker's start")
        traffic = Traffic(place, resources)
        pure = pure_render_ms(traffic.picture, folder)
        found = median(capacity(traffic.burst(traffic.make(options.burst))) for _ in range(2 + options.rounds))
        print(f"capacity {found:.0f} events/s, half rendered to 64x64; pure render {pure:.2f} ms", flush=True)
        table = _streams(traffic, Usage(worker.process.pid), found, pure, options)
        worker.end()
    table.show()
    said: Mapping[str, object] = {"capacity_per_s": round(found, 1), "pure_render_ms": round(pure, 3)}
    print(json.dumps({"bench": "load", "rounds": options.rounds, **said, **table.as_json()}), flush=True)


def _streams(traffic: Traffic, usage: Usage, per_second: float, pure_ms: float, options: argparse.Namespace) -> Table:
    table = Table("load", AIMS)
    for number in range(options.rounds):
        for share in SHARES:
            rate = share * per_second
            events = traffic.make(round(rate * options.seconds))
            before = usage.cpu_seconds()
            answered = traffic.stream(events, rate)
            spent = usage.cpu_seconds() - before
            own = {"events_per_s": rate, **figures(answered, pure_ms)}
            own |= {"cpu_ms_per_event": 1000 * spent / len(events), "rss_mb": usage.rss_mb()}
            table.add(f"{share:.0%}".replace("%", " %"), own, number)
    return table


if __name__ == "__main__":
    main()
