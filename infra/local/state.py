"""What `just up` has started, kept in a file so that a later `just up` or `just down` finds exactly that."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from infra.local.paths import UP
from infra.local.processes import Known

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = UP / "processes.json"


def recorded() -> list[Known]:
    """Return the processes that still run; what has ended since is left out."""
    if not FILE.exists():
        return []
    known = [Known(**entry) for entry in json.loads(FILE.read_text())]
    return [each for each in known if each.find()]


def record(running: Iterable[Known]) -> None:
    """Keep these and no others."""
    UP.mkdir(parents=True, exist_ok=True)
    new = FILE.with_suffix(".new")
    new.write_text(json.dumps([dataclasses.asdict(each) for each in running], indent=1))
    new.replace(FILE)


class Recorded(list[Known]):
    """A list of processes whose every addition is on disk at once: killed at any point, nothing is left unknown."""

    def append(self, known: Known) -> None:
        """Add the process and write the file."""
        super().append(known)
        record(self)
