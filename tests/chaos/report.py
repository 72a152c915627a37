"""What a run is reported as: one value, as JSON and as a page for people."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka
import psutil
from rich.table import Table

from infra.local import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tests.chaos.history import Violation

SHOWN: Final = 20
"""Violations of which the words are kept; all are counted."""
LIBRARIES: Final = ("confluent-kafka", "minio", "pyvips-binary")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is said about one run. Times are seconds, throughput is answers a second."""

    seed: int
    events: int
    """Inputs on the log: uploads, deletes, garbage, replays."""
    inputs: Mapping[str, int]
    answers: Mapping[str, int]
    faults: int
    faults_by_kind: Mapping[str, int]
    fault_list: Sequence[str]
    transactions: Mapping[str, int]
    """The workers' transactions as the coordinators recorded them: committed and aborted."""
    longest_stall_s: float
    """Of one partition of the committed reader, without the time in which a broker was away."""
    longest_stall_raw_s: float
    stall_limit_s: float
    longest_silence_s: float
    """Of all answers while there was work, without the time in which a server or the network was at fault."""
    longest_silence_raw_s: float
    silence_limit_s: float
    throughput: Mapping[str, float]
    answers_each_5_s: Sequence[int]
    """From the first answer on."""
    seconds: Mapping[str, float]
    """How long each phase took."""
    unconfirmed: int
    """Publishes that Kafka did not confirm."""
    copier_restarts: int
    ended_by_themselves: Sequence[str]
    exit_codes: Mapping[str, int | None]
    violations: int
    violations_by_kind: Mapping[str, int]
    violation_list: Sequence[str]
    versions: Mapping[str, str]
    machine: Mapping[str, str | int]
    date: str

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)

    def show(self, console: Console) -> None:
        """Print what a person wants to know."""
        table = Table("what", "found", title=f"chaos, seed {self.seed}", title_justify="left")
        for name, value in self._rows():
            table.add_row(name, value)
        console.print(table)
        for violation in self.violation_list:
            console.print(violation, markup=False, highlight=False)

    def _rows(self) -> list[tuple[str, str]]:
        return [
            ("inputs", f"{self.events}: {_counts(self.inputs)}"),
            ("answers", _counts(self.answers)),
            ("faults", f"{self.faults}: {_counts(self.faults_by_kind)}"),
            ("transactions", _counts(self.transactions)),
            (
                "longest stall",
                (
                    f"{self.longest_stall_s:.1f} s of {self.stall_limit_s:.1f} s "
                    f"({self.longest_stall_raw_s:.1f} s with brokers away)"
                ),
            ),
            (
                "longest silence",
                (
                    f"{self.longest_silence_s:.1f} s of {self.silence_limit_s:.1f} s "
                    f"({self.longest_silence_raw_s:.1f} s with servers away)"
                ),
            ),
            ("answers a second", ", ".join(f"{name} {value:.0f}" for name, value in self.throughput.items())),
            ("seconds", ", ".join(f"{name} {value:.0f}" for name, value in self.seconds.items())),
            ("ended by themselves", _counts(Counter(self.ended_by_themselves)) or "none"),
            ("exit codes", ", ".join(f"{name} {code}" for name, code in self.exit_codes.items())),
            ("violations", f"{self.violations} {_counts(self.violations_by_kind)}".strip()),
        ]


def told(violations: Sequence[Violation]) -> tuple[int, dict[str, int], list[str]]:
    """Return how many there are, how many of each kind, and the words of the first ones."""
    kinds = dict(sorted(Counter(each.kind for each in violations).items()))
    return len(violations), kinds, [f"{each.kind}: {each.detail}" for each in violations[:SHOWN]]


def each_5_s(times: Sequence[float]) -> list[int]:
    """Return how many of these times lie in each five seconds from the first on."""
    first = min(times, default=0.0)
    counts = Counter(int(time - first) // 5 for time in times)
    return [counts[number] for number in range(max(counts, default=-1) + 1)]


def versions() -> dict[str, str]:
    """Return what the run ran on."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    servers = {part.name: part.what.partition(" by ")[0] for part in (fetch.kafka(), fetch.registry(), fetch.minio())}
    python = {"python": platform.python_version(), "librdkafka": confluent_kafka.libversion()[0]}
    return {**servers, **python, **found}


def machine() -> dict[str, Any]:
    """Return what it ran on, without its name."""
    memory = round(psutil.virtual_memory().total / 2**30)
    return {"cores": os.cpu_count() or 0, "memory_gib": memory, "system": f"{platform.system()} {platform.machine()}"}


def today() -> str:
    """Return the date."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
