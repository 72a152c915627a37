"""`just chaos`: the whole pipeline on real servers under a seeded timetable of faults; exit code 1 on any violation."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console

from infra.local.fetch import FetchError
from infra.local.kafka_cluster import KafkaError
from infra.local.processes import end_with_parent
from infra.local.stack import StackError
from tests.chaos.run import Options, run
from tests.chaos.timetable import make_timetable

EVENTS_A_SECOND: Final = 65.0
"""How fast events come unless --minutes says otherwise: below what two cores manage beside all the servers."""
SHORTEST_S: Final = 115.0


def main() -> int:
    """Run, report, and say by the exit code whether everything was kept."""
    parser = argparse.ArgumentParser(prog="just chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=5000, help="inputs in all: uploads, deletes, replays")
    parser.add_argument("--minutes", type=float, help="how long the faults go on (default: by the events)")
    parser.add_argument("--seed", type=int, default=1, help="decides traffic and faults")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    parser.add_argument("--keep", action="store_true", help="keep the servers' data in .darkroom/chaos")
    parser.add_argument("--plan", action="store_true", help="print the timetable and end")
    given = parser.parse_args()
    seconds = given.minutes * 60 if given.minutes else max(SHORTEST_S, given.events / EVENTS_A_SECOND)
    console = Console()
    if given.plan:
        for fault in make_timetable(given.seed, seconds).faults:
            console.print(fault, markup=False, highlight=False)
        return 0
    signal.signal(signal.SIGTERM, _interrupted)
    end_with_parent()
    began = time.monotonic()

    def say(what: str) -> None:
        if console.is_terminal:
            console.print(f"{time.monotonic() - began:6.0f} s  {what}", highlight=False)

    try:
        report = run(Options(given.events, seconds, given.seed, given.keep), say)
    except (FetchError, KafkaError, StackError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's own words
        return 2
    except KeyboardInterrupt:
        return 130
    if given.json:
        given.json.write_text(report.as_json() + "\n")
    report.show(console)
    return 1 if report.violations else 0


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
