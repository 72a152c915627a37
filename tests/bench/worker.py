"""The whole worker (Kafka, S3, registry, events) against a bare libvips loop over the same photographs, by CPU time.

Only the worker's own processes are counted, not the servers' and not the publisher's. As many bare loops run at once as
the worker has renderers, so that both meet the same busy cores. The ratio that counts is ``cpu_ms_per_unit``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from infra.local.stack import ephemeral_stack
from schemas.events import ImageReady
from streams.client.publisher import Publisher
from streams.client.uploads import ObjectRef, Upload
from streams.client.waiter import Waiter
from streams.compose.client import make_parts
from streams.settings import load
from tests.bench import bare
from tests.bench.harness import Sample, report
from tests.cli.worker import RunningWorker
from tests.command import make_place
from tests.support import Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.command import Darkroom

TENANT: Final = "bench"
LIMIT_S: Final = 300.0
START_S: Final = 60.0


def measure(processes: Callable[[], Sequence[psutil.Process]], run: Callable[[], int]) -> Sample:
    """Run something; return what these processes, and those they ended, used meanwhile, and what they hold then."""

    def cpu_seconds() -> float:
        return sum(sum(process.cpu_times()[:4]) for process in processes())

    before, began = cpu_seconds(), time.perf_counter()
    units = run()
    seconds = time.perf_counter() - began
    held = sum(process.memory_info().rss for process in processes())
    return Sample(units, seconds, cpu_seconds() - before, held)


class Traffic:
    """Publishes the same objects again and again, each time as new images, and waits for the answers."""

    def __init__(self, place: Darkroom, photos: Sequence[bytes], stack: ExitStack) -> None:
        settings = load(place.config).settings
        parts = make_parts(settings)
        self._publisher = stack.enter_context(Publisher(parts))
        self._waiter = stack.enter_context(Waiter(parts))
        self._numbers: Iterator[int] = iter(range(1_000_000))
        self._objects = []
        for number, data in enumerate(photos):
            key = f"{TENANT}/{number}.jpg"
            parts.store().upload(settings.store.upload_bucket, key, data, content_type="image/jpeg")
            self._objects.append(ObjectRef(settings.store.upload_bucket, key))

    def round(self, times: int) -> int:
        """Publish each photograph so many times and return how many images became ready."""
        sources = self._objects * times
        uploads = [Upload(source, TENANT, str(next(self._numbers))) for source in sources]
        sent = [publication.event_id for publication in self._publisher.publish_many(uploads)]
        answers = list(self._waiter.wait(sent, LIMIT_S))
        assert all(isinstance(answer, ImageReady) for answer in answers), answers
        return len(answers)


class Loops:
    """Bare loops in warm processes of their own."""

    def __init__(self, photos: Sequence[bytes], processes: int, stack: ExitStack) -> None:
        self._photos = photos
        self._count = processes
        others = set(psutil.Process().children())
        self._pool = stack.enter_context(ProcessPoolExecutor(processes, get_context("spawn"), bare.configure))
        self.round(1)
        self._own = [child for child in psutil.Process().children() if child not in others]

    def round(self, times: int) -> int:
        """Divide the work among the processes and return how many images there were."""
        shares = [self._photos[index :: self._count] for index in range(self._count)]
        return sum(self._pool.map(bare.loop, shares, [times] * self._count))

    def processes(self) -> Sequence[psutil.Process]:
        """Return the processes that do it."""
        return self._own


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=12, help="how often each of the four photographs, in a round")
    parser.add_argument("--renderers", type=int, default=2)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        given = os.environ.get("DARKROOM_TEST_STACK")
        servers = Stack.read(Path(given) if given else stack.enter_context(ephemeral_stack()))
        place = make_place(servers, folder, f"bench-{os.getpid()}", DARKROOM_WORKER__RENDERERS=str(options.renderers))
        photos = [path.read_bytes() for path in bare.photographs(folder)]
        loops = Loops(photos, options.renderers, stack)
        traffic = Traffic(place, photos, stack)
        worker = RunningWorker(stack.enter_context(place.started("worker")))
        wait_until(lambda: worker.port, START_S, what="the worker's start")
        traffic.round(options.renderers)
        root = psutil.Process(worker.process.pid)
        samples: dict[str, list[Sample]] = {"bare": [], "worker": []}
        for _ in range(options.rounds):
            samples["bare"].append(measure(loops.processes, lambda: loops.round(options.times)))
            everybody = partial(_with_descendants, root)
            samples["worker"].append(measure(everybody, lambda: traffic.round(options.times)))
        print(f"four photographs of {sum(map(len, photos)) // len(photos)} bytes, four WebP each; a unit is an image")
        report("worker", samples)
        worker.end()


def _with_descendants(root: psutil.Process) -> Sequence[psutil.Process]:
    return [root, *root.children(recursive=True)]


if __name__ == "__main__":
    main()
