"""The engine with an empty handler over 12 and 600 partitions, 1 to 100 000 keys, and a hot key that has a tenth.

Each run is a process of its own over events that were produced just before; rounds are interleaved, figures are
medians. A single key is strictly in order, so one record at a time is all that can be under way: that row shows what a
step of the engine costs, and gets a tenth of the events.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.bench.engines.run import Bench, kafka_only, run
from tests.bench.engines.spec import Spec
from tests.bench.peers.report import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITIONS: Final = (12, 600)
HOT_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """One row."""

    partitions: int
    keys: int
    hot: bool = False

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"{self.partitions} partitions, {self.keys:,} keys{', one hot' if self.hot else ''}"

    def events(self, whole: int) -> int:
        """Return how many events it gets."""
        return whole // 10 if self.keys == 1 else whole

    def each_key(self, count: int) -> Iterator[bytes]:
        """Yield the keys of so many events."""
        dice = random.Random(self.keys)  # noqa: S311 - which event is hot is no secret
        for number in range(count):
            yield b"hot" if self.hot and dice.random() < HOT_SHARE else b"key-%d" % (number % self.keys)


CASES: Final = tuple(
    Case(partitions, keys, hot)
    for keys, hot in ((1, False), (100, False), (10_000, False), (10_000, True), (100_000, False))
    for partitions in PARTITIONS
)


def measure(bench: Bench, case: Case, topics: tuple[str, str], count: int) -> dict[str, float]:
    """Run one case once."""
    source, sink = topics
    group = bench.group(bench.ends(source))
    bench.preload(source, case.each_key(count))
    return run(Spec(bench.bootstrap, (source,), sink, group, count), bench).figures


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(prog="just bench partitions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="one round, a tenth of the events")
    options = parser.parse_args()
    rounds, events = (1, options.events // 10) if options.quick else (options.rounds, options.events)
    table = Table("partitions", ())
    with kafka_only() as bootstrap:
        bench = Bench(bootstrap)
        topics = {count: (bench.topic("in", count), bench.topic("out", count)) for count in PARTITIONS}
        for count in PARTITIONS:  # a fresh broker, and a fresh partition, are slow the first time
            measure(bench, Case(count, 10_000), topics[count], events)
        for number in range(rounds):
            for case in CASES:
                found = measure(bench, case, topics[case.partitions], case.events(events))
                table.add(case.name, found, number)
    table.show()
    print(json.dumps({"bench": "partitions", "rounds": rounds, **table.as_json()}), flush=True)


if __name__ == "__main__":
    main()
