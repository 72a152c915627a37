"""``just simulate``: many schedules, one a seed; on a failure the seed and the last steps before the end."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tests.simulation.schedule import IMAGES_EVERY, Schedule

CHUNK = 20


@dataclass(frozen=True, slots=True)
class Tally:
    """What some schedules came to."""

    runs: int
    steps: int
    faults: int
    failed: tuple[tuple[int, str], ...]
    """Seed and first broken promise."""


def run_some(first: int, count: int) -> Tally:
    """Run the schedules of these seeds."""
    steps = faults = 0
    failed = []
    for seed in range(first, first + count):
        schedule = Schedule(seed)
        if violations := schedule.run():
            failed.append((seed, violations[0].promise))
        steps += schedule.world.steps
        faults += schedule.world.faults
    return Tally(count, steps, faults, tuple(failed))


def show(seed: int) -> bool:
    """Run one seed, print what it broke and the last steps; return whether it kept every promise."""
    schedule = Schedule(seed)
    violations = schedule.run()
    for line in schedule.world.trace:
        print(line)  # noqa: T201 - the program's output
    for violation in violations:
        print(f"seed {seed}: BROKEN: {violation.promise}: {violation.detail}")  # noqa: T201
    print(f"seed {seed}: {schedule.world.steps} steps, digest {schedule.world.digest()[:16]}")  # noqa: T201
    return not violations


def until_broken(first: int, runs: int, *, images: bool) -> int:
    """Stop at the first seed that breaks a promise and print how many it took."""
    seeds = range(IMAGES_EVERY - 1, runs * IMAGES_EVERY, IMAGES_EVERY) if images else range(first, first + runs)
    for number, seed in enumerate(seeds, 1):
        if Schedule(seed).run():
            print(number)  # noqa: T201
            return 1
    return 0


def run_all(first: int, runs: int, jobs: int) -> list[Tally]:
    """Run them on so many processes; what comes out does not depend on how many."""
    began = time.monotonic()
    tallies = []
    with ProcessPoolExecutor(jobs) as pool:
        ends = first + runs
        futures = [pool.submit(run_some, at, min(CHUNK, ends - at)) for at in range(first, ends, CHUNK)]
        for future in as_completed(futures):
            tallies.append(future.result())
            if sys.stderr.isatty():
                ran, failed = sum(t.runs for t in tallies), sum(len(t.failed) for t in tallies)
                left = (time.monotonic() - began) / ran * (runs - ran)
                line = f"\r{ran} of {runs}, {failed} violations, {left:.0f} s to go   "
                print(line, end="", file=sys.stderr)  # noqa: T201
    if sys.stderr.isatty():
        print(file=sys.stderr)  # noqa: T201
    return tallies


def main() -> int:
    """Run what the arguments ask for and return the exit code."""
    parser = argparse.ArgumentParser(prog="just simulate", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many seeds (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="run this one only and print its last steps")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_argument("--until-broken", action="store_true", help="one after the other, up to the first violation")
    parser.add_argument("--images", action="store_true", help="with --until-broken: only schedules with images")
    wanted = parser.parse_args()
    if wanted.until_broken:
        return until_broken(wanted.first, wanted.runs, images=wanted.images)
    if wanted.seed is not None:
        return 0 if show(wanted.seed) else 1
    began = time.monotonic()
    tallies = run_all(wanted.first, wanted.runs, wanted.jobs)
    report(tallies, time.monotonic() - began, as_json=wanted.json)
    return 1 if any(tally.failed for tally in tallies) else 0


def report(tallies: list[Tally], seconds: float, *, as_json: bool) -> None:
    """Print what all schedules came to."""
    runs = sum(tally.runs for tally in tallies)
    steps, faults = sum(t.steps for t in tallies), sum(t.faults for t in tallies)
    failed = sorted(each for tally in tallies for each in tally.failed)
    if as_json:
        seeds = [{"seed": seed, "promise": promise} for seed, promise in failed]
        found = {"schedules": runs, "seconds": round(seconds, 1), "steps": steps, "faults": faults, "violations": seeds}
        print(json.dumps(found))  # noqa: T201
        return
    print(  # noqa: T201
        f"{runs} schedules in {seconds:.1f} s: {runs / seconds:.1f} schedules/s, {steps / seconds:.0f} steps/s, "
        f"{faults / seconds:.0f} faults/s ({steps} steps, {faults} faults), {len(failed)} violations"
    )
    for seed, promise in failed[:20]:
        print(f"  {promise}: just simulate --seed {seed}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
