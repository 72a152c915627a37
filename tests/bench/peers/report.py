"""The figures of one workload: medians over its rounds, a table with ratios and aims, and the same as JSON."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.peers.events import Verdict
    from tests.bench.peers.plan import Aim

LARGE = 100.0
"""From here on a figure needs no decimals."""


class Table:
    """Collects runs of contestants; the first one added is ours, to which the others are compared."""

    def __init__(self, name: str, aims: Sequence[Aim]) -> None:
        self._name = name
        self._aims = aims
        self._runs: dict[str, list[Mapping[str, float]]] = {}
        self._wrong: dict[str, str] = {}

    def check(self, contestant: str, verdict: Verdict) -> None:
        """Remember wrong answers: the figures of such a contestant count for nothing."""
        if not verdict.clean:
            self._wrong[contestant] = str(verdict)

    def add(self, contestant: str, figures: Mapping[str, float], number: int) -> None:
        """Take in one run, and say so: a whole bench takes its time."""
        self._runs.setdefault(contestant, []).append(figures)
        said = ", ".join(f"{name} {_short(value)}" for name, value in figures.items())
        print(f"{self._name} {number + 1} {contestant}: {said}; {self._wrong.get(contestant, 'clean')}", flush=True)

    def clean(self, contestant: str) -> bool:
        """Tell whether all its answers were right."""
        return contestant not in self._wrong

    def show(self) -> None:
        """Print the table, then the aims."""
        medians = self._medians()
        columns = list(dict.fromkeys(column for own in medians.values() for column in own))
        width = max(len(name) for name in [*medians, *self._wrong])
        print(f"\n{self._name:{width}}  {'  '.join(f'{column:>16}' for column in columns)}")
        for name, own in medians.items():
            cells = (_short(own[column]) if column in own else "" for column in columns)
            print(f"{name:{width}}  {'  '.join(f'{cell:>16}' for cell in cells)}")
        for name, wrong in self._wrong.items():
            print(f"{name:{width}}  WRONG ANSWERS, its figures do not count: {wrong}")
        for aim in self.aims():
            sign = "reached" if aim["reached"] else "NOT REACHED"
            print(f"  aim {aim['aim']}: {_short(aim['value'])}, {sign}")
        print(flush=True)

    def aims(self) -> list[dict[str, Any]]:
        """Return what was aimed for, beside what was found; an aim whose contestant did not run is left out."""
        medians, found = self._medians(), []
        for aim in self._aims:
            try:
                value = aim.value(medians)
            except KeyError:
                continue
            bound = f"{aim.what} {'>=' if aim.at_least else '<='} {aim.bound:g}"
            found.append({"aim": bound, "value": round(value, 3), "reached": aim.reached(value)})
        return found

    def as_json(self) -> dict[str, Any]:
        """Return medians, aims and wrong answers."""
        return {"medians": self._medians(), "aims": self.aims(), "wrong": self._wrong}

    def _medians(self) -> dict[str, dict[str, float]]:
        return {
            name: {column: round(statistics.median(run[column] for run in runs), 3) for column in runs[0]}
            for name, runs in self._runs.items()
            if name not in self._wrong
        }


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= LARGE else f"{value:.3g}"
