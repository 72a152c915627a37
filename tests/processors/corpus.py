"""The corpus: a folder of good, bad and hostile files outside the repository, and what became of each when recorded.

``python -m tests.processors.corpus`` records the outcomes anew, from the folder that DARKROOM_CORPUS names.
"""

from __future__ import annotations

import csv
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import Permanent
from schemas.events import Attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECORD: Final = Path(__file__).with_name("corpus_reasons.tsv")
READY: Final = "ready"
_PROCESSES: Final = 2
_BATCH: Final = 40
_TIME_LIMIT: Final = 100
"""Seconds for everything; it takes some five."""

RECIPE: Final = """
[[variant]]
name = "small"
format = "webp"
width = 200
effort = 0

[[variant]]
name = "square"
format = "jpeg"
width = 64
height = 64
fit = "fill"

[[variant]]
name = "icon"
format = "png"
width = 32
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the corpus."""

    path: Path
    verdict: str
    """``good``, ``bad`` or ``maybe``."""
    kind: str
    """What sort of file it is: natural, derived, hostile, malformed, fuzz, unsupported, fuzz-unsupported."""


def entries(folder: Path) -> list[Entry]:
    """Read both manifests."""
    found = []
    for part in ("good", "bad"):
        with (folder / part / "MANIFEST.tsv").open(newline="") as manifest:
            rows = csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)
            found += [Entry(folder / part / row["file"], row["class"], row["kind"]) for row in rows]
    return found


def outcomes(paths: Sequence[Path]) -> dict[str, str]:
    """Render every file in spawned processes; map its name to ``ready`` or the reason of its failure.

    A process that dies or hangs raises here, as `BrokenProcessPool` or `TimeoutError`.
    """
    batches = [paths[at : at + _BATCH] for at in range(0, len(paths), _BATCH)]
    found: dict[str, str] = {}
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_outcomes_here, batches, timeout=_TIME_LIMIT):
            found |= part
    return found


def _outcomes_here(paths: Sequence[Path]) -> dict[str, str]:
    """Run in the spawned process: only there is libvips loaded."""
    from processors.vips import configure_vips  # noqa: PLC0415

    configure_vips()
    return {path.name: _outcome(path.read_bytes()) for path in paths}


def _outcome(data: bytes) -> str:
    from processors.facts import Limits  # noqa: PLC0415
    from processors.inspect import inspect  # noqa: PLC0415
    from processors.recipe_file import parse_recipe  # noqa: PLC0415
    from processors.render import render  # noqa: PLC0415

    try:
        render(data, inspect(data, Limits()), parse_recipe(RECIPE, name="corpus", file="corpus"), Attributes())
    except Permanent as error:
        return str(error.reason)
    return READY


def recorded() -> Mapping[str, str]:
    """Return the recorded outcomes by file name."""
    with RECORD.open(newline="") as lines:
        return dict(csv.reader(lines, delimiter="\t"))


def main() -> None:
    """Record."""
    folder = Path(os.environ["DARKROOM_CORPUS"])
    found = outcomes([entry.path for entry in entries(folder)])
    with RECORD.open("w", newline="") as out:
        csv.writer(out, delimiter="\t", lineterminator="\n").writerows(sorted(found.items()))
    sys.stdout.write(f"{len(found)} outcomes in {RECORD}\n")


if __name__ == "__main__":
    main()
