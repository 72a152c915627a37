"""Many images through one real `darkroom worker`: memory, file descriptors and threads stay where they are.

The slope is the least-squares line through the resident memory of the worker and its render processes over the second
half of the run, in megabytes for 1 000 images. Half of the events are rendered, half find their image done.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import psutil

from tests.bench.engines.run import whole_stack
from tests.bench.engines.traffic import Traffic, place_settings
from tests.cli.worker import RunningWorker
from tests.command import make_place
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

AIM_MB: Final = 0.5
"""Megabytes for 1 000 images."""
STEPS: Final = 40
START_S: Final = 60.0


def look(pid: int) -> tuple[float, float, int, int]:
    """Return the megabytes of the main process and of all of them, and the main one's descriptors and threads."""
    main = psutil.Process(pid)
    own = main.memory_info().rss / 1e6
    total = own + sum(child.memory_info().rss for child in main.children(recursive=True)) / 1e6
    return own, total, main.num_fds(), main.num_threads()


def slope(images: Sequence[float], megabytes: Sequence[float]) -> float:
    """Return the growth over the second half, in megabytes for 1 000 images."""
    half = len(images) // 2
    return float(np.polyfit(images[half:], megabytes[half:], 1)[0]) * 1000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="just bench endurance", description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    seen: list[tuple[int, float, float, int, int]] = []
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        servers = resources.enter_context(whole_stack())
        place = make_place(servers, folder, f"endurance-{os.getpid()}", **place_settings(folder))
        worker = RunningWorker(resources.enter_context(place.started("worker")))
        wait_until(lambda: worker.port, START_S, what="the worker's start")
        traffic, done = Traffic(place, resources), 0
        while done < options.images:
            done += len(traffic.burst(traffic.make(max(1, options.images // STEPS))))
            seen.append((done, *look(worker.process.pid)))
            print("{} images: main {:.0f} MB, all {:.0f} MB, {} descriptors, {} threads".format(*seen[-1]), flush=True)
        worker.end()
    images, own, total, descriptors, threads = zip(*seen, strict=True)
    grown = round(slope(images, total), 3)
    figures = {
        "images": done,
        "slope_mb_per_1000": grown,
        "slope_main_mb_per_1000": round(slope(images, own), 3),
        "descriptors": [descriptors[len(seen) // 2], descriptors[-1]],
        "threads": [threads[len(seen) // 2], threads[-1]],
    }
    print(f"{'reached' if grown < AIM_MB else 'MISSED'}: {grown} MB for 1 000 images (aim {AIM_MB})")
    print(json.dumps({"bench": "endurance", **figures}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
