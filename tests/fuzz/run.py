"""Sends damaged files through the image handler and real render processes, and keeps the books.

Every file must end as ready or for a reason that is about the file. A file that costs a render process its life, or
more time than a call may take, is contained, and is a find all the same: it is kept by its hash.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import numpy as np
import psutil

from schemas.events import Cause
from streams.adapters.pool_renderer import PoolRenderer, RendererSettings
from streams.adapters.simulated_store import SimulatedObjects, SimulatedStore
from tests.corpus.run import READY, Ending, ending, handler_of, uploaded
from tests.corpus.test_corpus import ABOUT_THE_FILE
from tests.fuzz.mutate import mutate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RENDERERS: Final = 2
THREADS: Final = 4
TIME_LIMIT_S: Final = 20.0
LONGEST_S: Final = TIME_LIMIT_S + 15.0
"""An inspection, a wait for a free process, a render that is killed: longer than that is a hang."""
_FINE: Final = frozenset({READY, *(reason.value for reason in ABOUT_THE_FILE)})
SAMPLES: Final = 40
"""How often memory is looked at in a run."""


@dataclass(slots=True)
class Find:
    """A file that did not end as it should."""

    number: int
    sha256: str
    outcome: str
    detail: str
    seconds: float
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Books:
    """What a run came to."""

    endings: Counter[str] = field(default_factory=Counter)
    finds: list[Find] = field(default_factory=list)
    longest_s: float = 0.0
    rss: list[tuple[int, int]] = field(default_factory=list)
    """After so many files, so many resident bytes of this process and all its children."""
    lost: int = 0
    """Render processes that crashed, hung or swelled."""

    def growth_mb(self) -> float:
        """Return the slope of memory over the second half, in megabytes for 1 000 files."""
        later = self.rss[len(self.rss) // 2 :]
        if len(later) < 2:
            return 0.0
        counts, sizes = zip(*later, strict=True)
        return float(np.polyfit(counts, sizes, 1)[0]) * 1000 / 1e6


def fuzz(first: int, count: int, files: Sequence[bytes], tell: Callable[[int], None]) -> Books:
    """Run so many damaged files, a few at once; ``tell`` is called with how many are done."""
    books = Books()
    settings = RendererSettings(renderers=RENDERERS, time_limit_s=TIME_LIMIT_S, child_memory_bytes=1 << 30)
    with PoolRenderer(settings) as renderer, ThreadPoolExecutor(THREADS) as threads:
        renderer.start()
        waiting: set[Future[tuple[int, bytes, Ending, float]]] = set()
        done = 0
        for number in range(first, first + count):
            waiting.add(threads.submit(_try, renderer, number, mutate(number, files)))
            while len(waiting) >= 2 * THREADS or (number == first + count - 1 and waiting):
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    _enter(books, *future.result())
                    done += 1
                    if done % max(1, count // SAMPLES) == 0:
                        books.rss.append((done, _resident()))
                tell(done)
        books.lost = sum(s.crashed + s.timed_out + s.out_of_memory for s in renderer.stats()[:2])
    return books


def _try(renderer: PoolRenderer, number: int, data: bytes) -> tuple[int, bytes, Ending, float]:
    store = SimulatedStore(SimulatedObjects())
    handler = handler_of(store, renderer)
    event = uploaded(store, "fuzz", f"{number}", data)
    began = time.monotonic()
    try:
        ended = ending(handler(event, Cause("images.uploaded", 0, 0, event.event_id)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        ended = Ending(type(error).__name__, str(error))
    return number, data, ended, time.monotonic() - began


def _enter(books: Books, number: int, data: bytes, ended: Ending, seconds: float) -> None:
    books.endings[ended.outcome] += 1
    books.longest_s = max(books.longest_s, seconds)
    if ended.outcome not in _FINE or seconds > LONGEST_S:
        digest = sha256(data).hexdigest()
        books.finds.append(Find(number, digest, ended.outcome, ended.detail, round(seconds, 1), data))


def _resident() -> int:
    us = psutil.Process()
    total = us.memory_info().rss
    for child in us.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
