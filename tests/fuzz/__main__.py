"""``just fuzz``: damaged image files through real render processes; each must end as ready or for one clear reason."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.originals import originals
from tests.fuzz.run import Books, fuzz

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT = Path(".darkroom/fuzz")
FIND = ("number", "sha256", "outcome", "detail", "seconds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="just fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000, help="how many damaged files (default 2000)")
    parser.add_argument(
        "--first", type=int, default=0, help="the number of the first; a number is a file, always the same"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    wanted = parser.parse_args(arguments)
    files = originals()
    began = time.monotonic()
    columns = (TextColumn("damaged files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("", total=wanted.inputs)
        books = fuzz(wanted.first, wanted.inputs, files, lambda done: progress.update(bar, completed=done))
    report = summary(books, len(files), time.monotonic() - began)
    keep(books)
    print(json.dumps(report) if wanted.json else in_words(report))  # noqa: T201 - the program's output
    return 1 if books.finds else 0


def summary(books: Books, files: int, seconds: float) -> dict[str, Any]:
    """Return everything but the bytes."""
    return {
        "inputs": books.endings.total(),
        "originals": files,
        "seconds": round(seconds, 1),
        "endings": dict(books.endings.most_common()),
        "longest_s": round(books.longest_s, 2),
        "render_processes_lost": books.lost,
        "rss_mb": [round(size / 1e6) for _, size in books.rss],
        "rss_growth_mb_per_1000": round(books.growth_mb(), 2),
        "finds": [{key: getattr(find, key) for key in FIND} for find in books.finds],
    }


def in_words(report: dict[str, Any]) -> str:
    """Return the report for people."""
    endings = ", ".join(f"{count} {name}" for name, count in report["endings"].items())
    rss = report["rss_mb"] or [0]
    memory = f"memory {rss[0]} to {rss[-1]} MB, {report['rss_growth_mb_per_1000']:+.2f} MB for 1 000 files"
    lines = [
        f"{report['inputs']} damaged files made of {report['originals']} in {report['seconds']} s: {endings}",
        f"longest {report['longest_s']} s; {report['render_processes_lost']} render processes lost; {memory}",
    ]
    for find in report["finds"]:
        what = f"{find['outcome']} after {find['seconds']} s: {find['detail']}"
        lines.append(f"FOUND {find['number']}: {what} ({KEPT / find['sha256']})")
    return "\n".join(lines)


def keep(books: Books) -> None:
    """Write every find below .darkroom/fuzz, named by its hash."""
    for find in books.finds:
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / find.sha256).write_bytes(find.data)


if __name__ == "__main__":
    sys.exit(main())
