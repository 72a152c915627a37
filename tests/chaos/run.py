"""One run: servers, workers, traffic, replay and faults; the verifier's judgement of it, and the report.

The phases: a burst without faults, paced traffic under faults with a replay beside it, a burst when all is whole again.
All processes belong to the calling thread, which only supervises; publisher, copier, reader and sampler have their own.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from infra.local import kafka_cluster
from streams.client.publisher import Publisher
from streams.compose.client import make_parts
from tests.chaos import report, stalls
from tests.chaos.cluster import running_cluster
from tests.chaos.copier import Copier
from tests.chaos.faults import Chaos
from tests.chaos.fleet import Fleet
from tests.chaos.history import History, Violation
from tests.chaos.looking import Sampler, hashes, transactions
from tests.chaos.place import make_place
from tests.chaos.reading import Records, Watcher, read_all
from tests.chaos.timetable import AT_FIRST, NETWORK, SERVERS, SESSION_S, Timetable, make_timetable
from tests.chaos.traffic import DELIVERY_S, KnownObjects, Traffic, bad_sources, make_sources, steps
from tests.chaos.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.cluster import Cluster
    from tests.chaos.place import Place
    from tests.chaos.report import Report

BURST: Final = 0.05
"""The share of the events before the faults, and again after them."""
REPLAYED: Final = 0.1
"""The share of the events that are copies on the replay topic."""
TICK_S: Final = 0.1
START_S: Final = 90.0
DRAIN_S: Final = 60.0
"""Without one more answer, the rest will not come either."""
STALL_LIMIT_S: Final = 10.0 + 1.0 + 2.0
"""The workers' transaction time-out, the brokers' clean-up interval, and two looks of the sampler on a busy machine."""
SILENCE_LIMIT_S: Final = STALL_LIMIT_S + SESSION_S + 5.0 + 6.0
"""Besides: a dead worker is noticed, the others hand over (revoke_s), and one starts."""
GRACE_S: Final = 10.0
"""After a server is whole again: clients reconnect with back-off, breakers probe."""
REPLAY_ID: Final = "chaos-replay"


@dataclass(frozen=True, slots=True)
class Options:
    """What one run is to be."""

    events: int
    seconds: float
    """How long the faults go on."""
    seed: int
    keep: bool = False


class Run:
    """The parts of a run that is under way."""

    def __init__(self, options: Options, cluster: Cluster, place: Place, fleet: Fleet, stack: ExitStack) -> None:
        self.options = options
        self._cluster = cluster
        self._place = place
        self.fleet = fleet
        bootstrap = cluster.ways.direct.bootstrap
        parts = make_parts(place.settings)
        stack.callback(parts.release)
        self._store = parts.store()
        self.topics, sources = parts.topics, make_sources()
        self.records = Records(parts.codec, parts.topics, bad_sources(sources))
        self.watcher = Watcher(bootstrap, parts.topics.outputs, self.records)
        self.sampler = Sampler(bootstrap, parts.topics.outputs, self.watcher)
        known = KnownObjects(self._store)
        publisher = Publisher(replace(parts, store=lambda: known), delivery_s=DELIVERY_S)
        stack.callback(publisher.close)
        todo = steps(options.seed, options.events, sources)
        self.traffic = Traffic(publisher, parts.kafka, parts.topics, todo)
        self.copier = Copier(parts.kafka, parts.topics, REPLAY_ID)
        self.silence = stalls.SilenceMeter()
        self.chaos: Chaos | None = None
        self.seconds: dict[str, float] = {}
        self.throughput: dict[str, float] = {}

    def start(self) -> None:
        """Start the workers and whoever watches."""
        for number in range(AT_FIRST):
            self.fleet.start(f"w{number + 1}")
        self._until(lambda: self.fleet.started() >= AT_FIRST, START_S)
        self.watcher.start()
        self.sampler.start()

    def phase(self, name: str, events: int, *, seconds: float = 0.0, timetable: Timetable | None = None) -> None:
        """Publish so much, carry the faults out, and (without faults) wait for all answers."""
        began, before = time.monotonic(), len(self.watcher.told)
        publishing = threading.Thread(target=self.traffic.publish, args=(events, seconds), daemon=True)
        publishing.start()
        if timetable is not None:
            self.chaos = chaos = Chaos(self._cluster, self.fleet, timetable, began)
            self._until(lambda: chaos.over and not publishing.is_alive(), seconds + DRAIN_S)
        else:
            self._until(lambda: not publishing.is_alive() and self.answered(), DRAIN_S)
        self.seconds[name] = time.monotonic() - began
        self.throughput[name] = (len(self.watcher.told) - before) / self.seconds[name]

    def answered(self) -> bool:
        """Tell whether everything that was confirmed is answered."""
        if len(self.watcher.told) < self._asked():
            return False
        return self.traffic.confirmed <= {told.cause for told in self.watcher.told}

    def drain(self) -> None:
        """Wait until the replay is copied and everything is answered, or nothing moves any more."""
        began = time.monotonic()
        self._until(self.copier.done, DRAIN_S)
        self.copier.stop()
        self.traffic.flush()
        self._until(self.answered, DRAIN_S)
        self.seconds["drain"] = time.monotonic() - began

    def stop(self) -> dict[str, int | None]:
        """Stop workers and watchers."""
        codes = self.fleet.stop()
        self.silence.finish(time.monotonic())
        self._until(lambda: False, 1.0)  # the watcher reads the last answers
        self.sampler.stop()
        self.watcher.stop()
        return codes

    def history(self) -> History:
        """Read everything again, and fetch what was announced."""
        bootstrap = self._cluster.ways.direct.bootstrap
        afterwards = tuple(self.records.told(message) for message in read_all(bootstrap, self.topics.outputs))
        return History(
            tuple(self.records.asked(message) for message in read_all(bootstrap, self.topics.inputs)),
            tuple(self.watcher.told),
            afterwards,
            frozenset(self.traffic.confirmed),
            hashes(self._store, self._place.settings.store.bucket, afterwards),
        )

    def transactions(self) -> Counter[str]:
        """Return how the workers' transactions ended."""
        bootstrap = self._cluster.ways.direct.bootstrap
        return transactions(bootstrap, kafka_cluster.TRANSACTION_PARTITIONS, self.topics.prefix)

    def _asked(self) -> int:
        return len(self.traffic.confirmed) + self.copier.copied

    def _until(self, condition: Callable[[], bool], patience: float) -> None:
        """Supervise until the condition holds, or nothing was answered for so long: the verifier says what lacks."""
        answers, moved = len(self.watcher.told), time.monotonic()
        while not condition():
            now = time.monotonic()
            if self.chaos is not None:
                self.chaos.step(now)
            self.fleet.supervise()
            if answers != len(self.watcher.told):
                answers, moved = len(self.watcher.told), now
            elif now - moved > patience:
                return
            self.silence.observe(now, answers, waiting=answers < self._asked() and self.fleet.at_work() > 0)
            time.sleep(TICK_S)


def run(options: Options, say: Callable[[str], None]) -> Report:
    """Run it all and return the report."""
    timetable = make_timetable(options.seed, options.seconds)
    began = time.monotonic()
    say(f"seed {options.seed}: {options.events} events, {len(timetable.faults)} faults in {options.seconds:.0f} s")
    with running_cluster(keep=options.keep) as (cluster, folder), ExitStack() as stack:
        say(f"three brokers, store and registry are there; logs in {folder.name}")
        place = make_place(f"chaos-{options.seed}", folder / "place", cluster.ways, copies=3)
        fleet = Fleet(place.workers, folder)
        stack.callback(fleet.stop)
        now = Run(options, cluster, place, fleet, stack)
        now.start()
        now.seconds["start"] = time.monotonic() - began
        _phases(now, timetable, say)
        codes = now.stop()
        say("reading everything again")
        history = now.history()
        counted = now.transactions()
    say("verifying")
    return _report(now, history, counted, codes, time.monotonic() - began)


def _phases(now: Run, timetable: Timetable, say: Callable[[str], None]) -> None:
    options = now.options
    copies, burst = round(options.events * REPLAYED), round(options.events * BURST)
    say("a burst without faults")
    now.phase("before", burst)
    say("faults")
    now.copier.start(copies, options.seconds)
    now.phase("during", options.events - copies - 2 * burst, seconds=options.seconds, timetable=timetable)
    say("the rest of the answers")
    now.drain()
    say("a burst when all is whole again")
    now.phase("after", burst)


def _report(now: Run, history: History, counted: Counter[str], codes: dict[str, int | None], seconds: float) -> Report:
    assert now.chaos is not None
    brokers = now.chaos.windows([kind for kind in SERVERS if kind != "store_kill"], GRACE_S)
    stall, worst = stalls.longest(now.sampler.meter.stalls, brokers)
    servers = now.chaos.windows(SERVERS + NETWORK, GRACE_S)
    silence, quiet = stalls.longest(now.silence.stalls, servers)
    violations = verify(history)
    if stall > STALL_LIMIT_S and worst is not None:
        violations.append(Violation("stalled", f"{worst.who} stood still for {stall:.1f} s"))
    if silence > SILENCE_LIMIT_S and quiet is not None:
        violations.append(Violation("silent", f"no answer for {silence:.1f} s"))
    total, kinds, words = report.told(violations)
    answers = dict(Counter(f"{each.kind} {each.reason}".strip() for each in history.told))
    return report.Report(
        seed=now.options.seed,
        events=len(history.asked),
        inputs=dict(Counter("replay" if each.replay_id else each.kind for each in history.asked)),
        answers=answers,
        faults=len(now.chaos.done),
        faults_by_kind=dict(Counter(each.fault.kind for each in now.chaos.done)),
        fault_list=[f"{each.fault} -> {each.server}" for each in now.chaos.done],
        transactions={name: counted[name] for name in ("committed", "aborted")},
        longest_stall_s=round(stall, 1),
        longest_stall_raw_s=round(stalls.longest(now.sampler.meter.stalls)[0], 1),
        stall_limit_s=STALL_LIMIT_S,
        longest_silence_s=round(silence, 1),
        longest_silence_raw_s=round(stalls.longest(now.silence.stalls)[0], 1),
        silence_limit_s=SILENCE_LIMIT_S,
        throughput={name: round(value, 1) for name, value in now.throughput.items()},
        answers_each_5_s=report.each_5_s([each.at for each in history.told]),
        seconds={name: round(value, 1) for name, value in {**now.seconds, "all": seconds}.items()},
        unconfirmed=len(now.traffic.failed),
        copier_restarts=now.copier.restarts,
        ended_by_themselves=now.fleet.ended,
        exit_codes=codes,
        violations=total,
        violations_by_kind=kinds,
        violation_list=words,
        versions=report.versions(),
        machine=report.machine(),
        date=report.today(),
    )
