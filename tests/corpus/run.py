"""Runs a corpus of good and bad files through the image handler and the real render children; says how each ended.

As a program it records the outcomes: ``python -m tests.corpus.run`` writes ``outcomes.tsv`` anew from the corpus that
DARKROOM_CORPUS names. Look at the difference before you commit it.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from processors.facts import Limits
from processors.handler import ImageHandler
from processors.policy import AllowedSource, SourcePolicy
from processors.recipe_file import load_folder
from schemas.events import Attributes, Cause, ImageFailed, ImageUploaded, Source
from schemas.ids import source_key
from streams.adapters.directory_store import DirectoryStore
from streams.adapters.pool_renderer import PoolRenderer, RendererSettings
from streams.adapters.system_clock import SystemClock

if TYPE_CHECKING:
    from processors.ports import Store
    from schemas.events import Output
    from streams.runtime.pool import PoolStats

CORPUS: Final = "DARKROOM_CORPUS"
RECORD: Final = Path(__file__).with_name("outcomes.tsv")
READY: Final = "ready"
RECIPE: Final = "avatar"
"""The smallest shipped recipe: the corpus is about getting in, the goldens are about what comes out."""
_IDS: Final = UUID("6a4d6a1e-0df5-4c9b-8d55-2c1b0c3f5a90")
_NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
_THREADS: Final = 4


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file of the corpus and what its manifest says: ``good``, ``bad``, or ``maybe`` (either way is fine)."""

    folder: str
    name: str
    grade: str
    kind: str

    @property
    def key(self) -> str:
        """How the file is called in the recorded outcomes."""
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a file ended: ``ready`` or the reason code, and the reason's detail."""

    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole corpus, and what it did to the children."""

    endings: dict[Entry, Ending]
    inspectors: PoolStats
    renderers: PoolStats


def entries(corpus: Path) -> list[Entry]:
    """Return what the manifests list, in a stable order."""
    found = []
    for folder in ("good", "bad"):
        with (corpus / folder / "MANIFEST.tsv").open(newline="") as manifest:
            rows = csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)
            found += [Entry(folder, row["file"], row["class"], row["kind"]) for row in rows]
    return sorted(found)


def run(corpus: Path, scratch: Path) -> Run:
    """Publish every file to a handler on a store below ``scratch``, several at once."""
    settings = RendererSettings(renderers=2, time_limit_s=20.0, child_memory_bytes=1 << 30)
    with PoolRenderer(settings) as renderer, ThreadPoolExecutor(_THREADS) as threads:
        store = DirectoryStore(scratch)
        handler = handler_of(store, renderer)

        def end(entry: Entry) -> Ending:
            event = uploaded(store, entry.folder, entry.name, (corpus / entry.folder / entry.name).read_bytes())
            return ending(handler(event, Cause("images.uploaded", 0, 0, event.event_id)))

        listed = entries(corpus)
        endings = dict(zip(listed, threads.map(end, listed), strict=True))
        inspectors, renderers, _ = renderer.stats()
    return Run(endings, inspectors, renderers)


def read_record() -> dict[str, str]:
    """Return the outcomes that are on record, by the files' keys."""
    return dict(line.split("\t") for line in RECORD.read_text().splitlines())


def as_record(endings: dict[Entry, Ending]) -> dict[str, str]:
    """Return the outcomes by the files' keys."""
    return {entry.key: ending.outcome for entry, ending in sorted(endings.items())}


def handler_of(store: Store, renderer: PoolRenderer) -> ImageHandler:
    """Return a handler with the shipped recipes and the limits that are the defaults."""
    return ImageHandler(
        store,
        renderer,
        load_folder(None),
        SourcePolicy((AllowedSource("uploads"),)),
        SystemClock(),
        bucket="darkroom",
        max_source_bytes=Limits().bytes,
    )


def uploaded(store: Store, tenant: str, image_id: str, data: bytes) -> ImageUploaded:
    """Put a source into the store and return the event that a publisher would send."""
    digest = sha256(data).hexdigest()
    key = source_key(tenant, image_id, digest, "bin")
    store.put("uploads", key, data, content_type="application/octet-stream")
    return ImageUploaded(
        event_id=uuid5(_IDS, f"{tenant}/{image_id}"),
        tenant=tenant,
        image_id=image_id,
        source=Source("uploads", key, len(data), sha256=digest),
        recipe=RECIPE,
        uploaded_at=_NOON,
        hlc=int(_NOON.timestamp() * 1000) << 16,
        attributes=Attributes(),
    )


def ending(answer: Output) -> Ending:
    """Return what an answer says became of its file."""
    if isinstance(answer, ImageFailed):
        return Ending(answer.reason.value, answer.detail)
    return Ending(READY)


def _record() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        done = run(Path(os.environ[CORPUS]), Path(scratch))
    RECORD.write_text("".join(f"{key}\t{outcome}\n" for key, outcome in as_record(done.endings).items()))
    for entry, ending in sorted(done.endings.items()):
        sys.stdout.write(f"{entry.grade:6} {entry.kind:17} {ending.outcome:20} {entry.key}: {ending.detail}\n")
    sys.stdout.write(f"{done.inspectors}\n{done.renderers}\n")


if __name__ == "__main__":
    _record()
