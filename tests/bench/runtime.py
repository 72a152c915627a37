"""The engine beside what else offers exactly-once, on one real broker: throughput, uneven work, a poison, idle latency.

Workloads: w1 pass-through, w2 uneven handlers, poison, w3 one event every 50 ms. Each contestant is a process of its
own; rounds are interleaved, figures are medians, and every answer is verified, so that a fast wrong one does not count.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tests.bench.peers import events, latency, plan, profile, throughput, tools
from tests.bench.peers.broker import running_broker
from tests.bench.peers.contestants import BARE
from tests.bench.peers.report import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bench.peers.broker import Cluster
    from tests.bench.peers.contestants import Contestant

QUICK: Final = 2
"""By how much `--quick` divides the events; far fewer would measure how a broker wakes up."""
WARM_UP_EVENTS: Final = 150_000


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    only: tuple[str, ...]
    peers: tuple[str, ...]
    rounds: int
    events: int
    profile: bool

    def chosen(self, contestants: Iterable[Contestant]) -> list[Contestant]:
        """Return those of them that take part."""
        return [each for each in contestants if each.peer in self.peers]


def passes_through(cluster: Cluster, options: Options) -> Table:
    """W1: 600 bytes in, the same out, nothing else to do."""
    return _rates(cluster, options, plan.W1)


def uneven(cluster: Cluster, options: Options) -> Table:
    """W2: handlers that take 0 to 10 ms."""
    return _rates(cluster, options, plan.W2)


def poisoned(cluster: Cluster, options: Options) -> Table:
    """Poison: one event of a partition takes five seconds. The peers' answer is clear after one round."""
    table = Table("poison", plan.POISON_AIMS)
    for number in range(options.rounds):
        for contestant in options.chosen(plan.POISON):
            if number == 0 or contestant.peer == "ours":
                figures, runs = latency.poison(cluster, contestant)
                for each in runs:
                    table.check(contestant.name, each.verdict)
                table.add(contestant.name, figures, number)
    return table


def idle(cluster: Cluster, options: Options) -> Table:
    """W3: one event every 50 ms."""
    table = Table("w3", plan.W3_AIMS)
    for number in range(options.rounds):
        for contestant in options.chosen(plan.W3):
            figures, found = latency.idle(cluster, contestant, round(options.events / plan.EVENTS_PER_IDLE))
            table.check(contestant.name, found.verdict)
            table.add(contestant.name, figures, number)
    return table


def _rates(cluster: Cluster, options: Options, workload: plan.Rates) -> Table:
    """Run everybody over a preloaded topic, in turn."""
    loads: dict[int, throughput.Load] = {}
    table = Table(workload.name, workload.aims)
    chosen = options.chosen(entry.contestant for entry in workload.entries)
    for number in range(options.rounds):
        for entry in workload.entries:
            if entry.contestant not in chosen:
                continue
            wanted = round(options.events * workload.share * entry.share / (1 - throughput.WARM_UP))
            if wanted not in loads:
                made = workload.make(wanted)
                loads[wanted] = throughput.Load(cluster.preload(made, workload.name), made)
            found = throughput.run(cluster, entry.contestant, loads[wanted])
            figures = {"events": found.events, "events_per_s": found.per_second, "cpu_s_per_10000": found.cpu_per_10000}
            table.check(entry.contestant.name, found.verdict)
            table.add(entry.contestant.name, figures, number)
    return table


WORKLOADS: Final = {"w1": passes_through, "w2": uneven, "poison": poisoned, "w3": idle}


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="just bench runtime", description=__doc__)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, by comma; default: all")
    parser.add_argument("--peers", default="bare,quix,streams,parallel", help="by comma; ours always takes part")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=200_000, help="of w1; the others' are in proportion")
    parser.add_argument("--quick", action="store_true", help="one round, half the events")
    parser.add_argument("--profile", action="store_true", help="say where our time goes in w1, before the workloads")
    given = parser.parse_args()
    only = tuple(given.only.split(","))
    if unknown := set(only) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    peers = ("ours", *given.peers.split(","))
    if unknown := set(peers) - {each.peer for each in plan.EVERYBODY}:
        parser.error(f"no peer {', '.join(sorted(unknown))}")
    if given.quick:
        return Options(only, peers, 1, given.events // QUICK, given.profile)
    return Options(only, peers, given.rounds, given.events, given.profile)


def _skipped(peers: Iterable[str]) -> dict[str, str]:
    """Fetch what the peers need; return why some cannot take part."""
    found = {each.peer: tools.missing(each.tool) for each in plan.EVERYBODY if each.peer in peers}
    for peer, why in found.items():
        if why:
            print(f"skipped: {peer}: {why}", flush=True)
    return {peer: why for peer, why in found.items() if why}


def _warm_up(cluster: Cluster, options: Options) -> None:
    """A broker that has just started runs everything at a third of its speed: have it work first."""
    made = events.even(WARM_UP_EVENTS)
    load = throughput.Load(cluster.preload(made, "warm"), made)
    for _ in range(2):
        throughput.run(cluster, BARE, load)
    if options.profile:
        profile.show(cluster, load)
    cluster.drop(load.topic)


def main() -> int:
    """Run what was asked for; the exit code is 1 if an answer of ours was wrong."""
    options = _options()
    skipped = _skipped(options.peers)
    options = replace(options, peers=tuple(peer for peer in options.peers if peer not in skipped))
    result: dict[str, Any] = {"bench": "runtime", "rounds": options.rounds, "skipped": skipped}
    clean = True
    with running_broker() as cluster:
        _warm_up(cluster, options)
        for name in options.only:
            table = WORKLOADS[name](cluster, options)
            table.show()
            result[name] = table.as_json()
            clean = clean and table.clean("ours")
    print(json.dumps(result), flush=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
