"""``just simulate``: many schedules, one a seed; on a failure the seed and the last steps before the end."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tests.simulation.schedule import Schedule

CHUNK = 25


@dataclass(frozen=True, slots=True)
class Tally:
    """What some schedules came to."""

    runs: int
    steps: int
    faults: int
    failed: tuple[int, ...]


def run_some(first: int, count: int) -> Tally:
    """Run the schedules of these seeds."""
    steps = faults = 0
    failed = []
    for seed in range(first, first + count):
        schedule = Schedule(seed)
        if schedule.run():
            failed.append(seed)
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


def until_broken(first: int, runs: int) -> int:
    """Stop at the first seed that breaks a promise and print how many it took."""
    for seed in range(first, first + runs):
        if Schedule(seed).run():
            print(seed - first + 1)  # noqa: T201
            return 1
    return 0


def main() -> int:
    """Run what the arguments ask for and return the exit code."""
    parser = argparse.ArgumentParser(prog="just simulate", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many seeds (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="run this one only and print its last steps")
    parser.add_argument("--until-broken", action="store_true", help="one after the other, up to the first violation")
    wanted = parser.parse_args()
    if wanted.until_broken:
        return until_broken(wanted.first, wanted.runs)
    if wanted.seed is not None:
        return 0 if show(wanted.seed) else 1
    began = time.monotonic()
    tallies = []
    with ProcessPoolExecutor() as pool:
        ends = wanted.first + wanted.runs
        jobs = [pool.submit(run_some, at, min(CHUNK, ends - at)) for at in range(wanted.first, ends, CHUNK)]
        for job in as_completed(jobs):
            tallies.append(job.result())
            if sys.stderr.isatty():
                print(f"\r{sum(t.runs for t in tallies)} of {wanted.runs}", end="", file=sys.stderr)  # noqa: T201
    seconds = time.monotonic() - began
    failed = sorted(seed for tally in tallies for seed in tally.failed)
    steps, faults = sum(t.steps for t in tallies), sum(t.faults for t in tallies)
    print(  # noqa: T201
        f"{wanted.runs} schedules in {seconds:.1f} s: {wanted.runs / seconds:.0f} schedules/s, "
        f"{steps / seconds:.0f} steps/s, {faults / seconds:.0f} faults/s ({steps} steps, {faults} faults), "
        f"{len(failed)} violations"
    )
    for seed in failed[:20]:
        print(f"  just simulate --seed {seed}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
