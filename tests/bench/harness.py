"""Compare contenders fairly on one noisy machine: interleaved rounds, medians, CPU time and memory of all processes.

A bench is a module beside this one, run by `just bench NAME`; it calls `compare` and exits. The last line printed is
one JSON object with the medians and ratios, for whoever keeps records.
"""

from __future__ import annotations

import contextlib
import json
import resource
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LOOK = 0.05
"""Seconds between two looks at the memory of the processes."""
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one contender."""

    units: int
    """What it did: images, events, whatever the bench counts."""
    seconds: float
    cpu_seconds: float
    """User and system time of this process and all its descendants."""
    peak_rss: int
    """Bytes: the highest sum over this process and its descendants that was seen."""


def measure(run: Callable[[], int]) -> Sample:
    """Run it once; it returns how many units it did. Children may live on or end, their time is counted either way."""
    cpu_before = _cpu_seconds()
    with _memory_watch() as peak:
        began = time.perf_counter()
        units = run()
        seconds = time.perf_counter() - began
    return Sample(units, seconds, _cpu_seconds() - cpu_before, peak[0])


def compare(
    title: str, contenders: Mapping[str, Callable[[], int]], *, rounds: int = 3, warm_up: bool = True
) -> dict[str, Any]:
    """Run the contenders in turn (A B A B ...), print a table and the JSON line, and return what the line says.

    Ratios are against the first contender, by CPU time a unit and by seconds a unit.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(-1 if warm_up else 0, rounds):
        for name, run in contenders.items():
            sample = measure(run)
            if number >= 0:
                samples[name].append(sample)
    return report(title, samples)


def report(title: str, samples: Mapping[str, list[Sample]]) -> dict[str, Any]:
    """Print the table and the JSON line of samples taken in interleaved rounds, and return what the line says."""
    figures = {name: _medians(each) for name, each in samples.items()}
    first = next(iter(figures))
    ratios = {
        name: {key: round(own[key] / figures[first][key], 3) for key in ("cpu_ms_per_unit", "ms_per_unit")}
        for name, own in figures.items()
        if name != first
    }
    result = {"bench": title, "rounds": len(samples[first]), "medians": figures, f"ratios_to_{first}": ratios}
    _print_table(figures)
    print(json.dumps(result), flush=True)
    return result


def _medians(samples: list[Sample]) -> dict[str, float]:
    def median(values: list[float]) -> float:
        return round(statistics.median(values), 3)

    return {
        "units": samples[0].units,
        "units_per_second": median([each.units / each.seconds for each in samples]),
        "ms_per_unit": median([1000 * each.seconds / each.units for each in samples]),
        "cpu_ms_per_unit": median([1000 * each.cpu_seconds / each.units for each in samples]),
        "peak_rss_mb": median([each.peak_rss / MEGABYTE for each in samples]),
    }


def _print_table(figures: Mapping[str, Mapping[str, float]]) -> None:
    columns = list(next(iter(figures.values())))
    width = max(len(name) for name in figures)
    print(f"{'':{width}}  {'  '.join(f'{column:>16}' for column in columns)}")
    for name, own in figures.items():
        print(f"{name:{width}}  {'  '.join(f'{own[column]:>16g}' for column in columns)}")


def _cpu_seconds() -> float:
    """Return the time that this process, its finished children and its living ones have used."""
    ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(usage.ru_utime + usage.ru_stime for usage in ended)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


@contextlib.contextmanager
def _memory_watch() -> Iterator[list[int]]:
    peak, stop = [0], threading.Event()

    def watch() -> None:
        us = psutil.Process()
        while True:
            total = 0
            for process in (us, *us.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += process.memory_info().rss
            peak[0] = max(peak[0], total)
            if stop.wait(LOOK):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()
