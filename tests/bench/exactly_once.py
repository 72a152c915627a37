"""What exactly-once costs: the engine with its transactions, and the same engine with plain at-least-once commits.

Twice: with a handler that only answers, and with the whole image handler over photographs of 12 megapixels. The plain
side is a broker that exists in this bench only (`tests/bench/engines/brokers.py`); the product has no switch for it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.client.publisher import Publisher
from streams.client.uploads import ObjectRef, Upload
from streams.compose.client import make_parts
from streams.compose.services import make_topics
from streams.settings import load
from tests.bench import bare
from tests.bench.engines.run import Bench, run, whole_stack
from tests.bench.engines.spec import Spec
from tests.bench.peers.plan import Aim
from tests.bench.peers.report import Table
from tests.command import make_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.command import Darkroom
    from tests.support import Stack

ONCE: Final = "exactly once"
PLAIN: Final = "at least once"
TENANT: Final = "bench"
KEYS: Final = 10_000
EMPTY_COST: Final = 25.0
RENDERED_COST: Final = 5.0


def cost(by: Mapping[str, Mapping[str, float]]) -> float:
    """Return how many per cent fewer events a second exactly-once has."""
    return 100 * (1 - by[ONCE]["events_per_s"] / by[PLAIN]["events_per_s"])


class Empty:
    """The handler that only answers."""

    def __init__(self, bench: Bench, events: int) -> None:
        self._bench = bench
        self._events = events
        self._source = bench.topic("in")
        self._start = bench.ends(self._source)
        bench.preload(self._source, (b"key-%d" % (number % KEYS) for number in range(events)))

    def run(self, *, plain: bool) -> dict[str, float]:
        """Run over the same events, by a new group into a new topic."""
        sink, group = self._bench.topic("out"), self._bench.group(self._start)
        spec = Spec(self._bench.bootstrap, (self._source,), sink, group, self._events, plain=plain)
        return run(spec, self._bench).figures


class Rendered:
    """The image handler: each run has new images, or nothing would be rendered."""

    def __init__(self, bench: Bench, place: Darkroom, photos: Sequence[bytes], resources: ExitStack) -> None:
        self._bench = bench
        self._config = place.config
        settings = load(place.config).settings
        parts = make_parts(settings)
        self._publisher = resources.enter_context(Publisher(parts))
        self._topics = tuple(topic.name for topic in make_topics(settings).inputs)
        self._objects = [ObjectRef(settings.store.upload_bucket, f"{TENANT}/{n}.jpg") for n in range(len(photos))]
        for each, data in zip(self._objects, photos, strict=True):
            parts.store().upload(each.bucket, each.key, data, content_type="image/jpeg")

    def run(self, times: int, *, plain: bool) -> dict[str, float]:
        """Publish each photograph so many times and have them rendered."""
        group = self._bench.group(self._bench.ends(*self._topics))
        sources = self._objects * times
        uploads = [Upload(source, TENANT, f"{group}-{number}") for number, source in enumerate(sources)]
        for publication in self._publisher.publish_many(uploads):
            publication.result()
        spec = Spec(self._bench.bootstrap, self._topics, "", group, len(uploads), plain, str(self._config))
        return run(spec, self._bench).figures


def compare(name: str, aim: float, rounds: int, measure: Callable[[bool], dict[str, float]]) -> Table:
    """Run both in turn, after one of each that does not count; who begins changes from round to round."""
    table = Table(name, [Aim("per cent fewer events/s", aim, cost, at_least=False)])
    for plain in (False, True):
        measure(plain)
    for number in range(rounds):
        for plain in (False, True) if number % 2 == 0 else (True, False):
            table.add(PLAIN if plain else ONCE, measure(plain), number)
    return table


def main() -> None:
    """Compare both."""
    parser = argparse.ArgumentParser(prog="just bench exactly_once", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=150_000, help="of the empty handler")
    parser.add_argument("--times", type=int, default=12, help="how often each of the four photographs, in a run")
    parser.add_argument("--quick", action="store_true", help="one round, small")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.events, options.times = 1, 30_000, 2
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        servers = resources.enter_context(whole_stack())
        bench = Bench(servers.bootstrap)
        empty = Empty(bench, options.events)
        first = compare("empty handler", EMPTY_COST, options.rounds, lambda plain: empty.run(plain=plain))
        rendered = _rendered(bench, servers, folder, resources)
        second = compare(
            "rendering", RENDERED_COST, options.rounds, lambda plain: rendered.run(options.times, plain=plain)
        )
    for table in (first, second):
        table.show()
    result = {"empty": first.as_json(), "rendering": second.as_json()}
    print(json.dumps({"bench": "exactly_once", "rounds": options.rounds, **result}), flush=True)


def _rendered(bench: Bench, servers: Stack, folder: Path, resources: ExitStack) -> Rendered:
    place = make_place(servers, folder, bench.name("once"), DARKROOM_TOPICS__PARTITIONS="12")
    config = (
        place.config.read_text().replace("renderers = 1", "renderers = 0").replace("partitions = 4", "partitions = 12")
    )
    place.config.write_text(config)
    photos = [path.read_bytes() for path in bare.photographs(folder)]
    return Rendered(bench, place, photos, resources)


if __name__ == "__main__":
    main()
