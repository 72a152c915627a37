"""How far `publish` came: on a terminal a bar with rate and time left, and for buckets a small file to go on from.

The file holds the last key up to which everything is delivered; keys come in order, so nothing else is needed.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.shared import err

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.cli.publish_find import Bucket, Naming

FOLDER = Path(".darkroom")


class Bookmark:
    """Where an import stands. One file for each bucket, prefix and way of naming."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = ""
        self.count = 0
        try:
            known = json.loads(path.read_text("utf-8"))
            self.key, self.count = str(known["after"]), int(known["published"])
        except (OSError, ValueError, KeyError):
            pass  # none yet, or half written by a crash: beginning again is safe

    @classmethod
    def of(cls, bucket: Bucket, naming: Naming, recipe: str | None) -> Bookmark:
        """Return the bookmark of this import."""
        text = "\0".join(str(part) for part in (bucket.name, bucket.prefix, naming.tenant, naming.pattern, recipe))
        return cls(FOLDER / f"import-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json")

    def move(self, key: str, count: int) -> None:
        """Note that everything up to ``key`` is delivered."""
        self.key, self.count = key, self.count + count
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"after": self.key, "published": self.count}), "utf-8")
        new.replace(self.path)

    def remove(self) -> None:
        """Forget it: the import is complete."""
        self.path.unlink(missing_ok=True)


@contextmanager
def bar(what: str, total: int | None, *, shown: bool) -> Iterator[Callable[[int, str], None]]:
    """Yield a function that takes how many are done and a remark; draws nothing unless shown."""
    if not shown:
        yield _silent
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="", remark="")

        def update(done: int, remark: str) -> None:
            elapsed = progress.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed:.1f}/s" if elapsed > 0 else ""
            progress.update(task, completed=done, rate=rate, remark=remark)

        yield update


def _silent(_done: int, _remark: str) -> None:
    """Show nothing."""
