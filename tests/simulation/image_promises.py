"""What must be true of images, read from the answers when they become visible and from the store, whoever is late.

* A deleted image stays deleted: work on older news that begins after a delete was announced is answered
  ``image_deleted``; so is older news that stands behind the delete in the same partition. In the end the pointer says
  what the newest news says.
* A deleted life is not begun again: work that begins after the delete was announced uses a later life.
* A delete touches nothing that was uploaded after it.
* Every object of a ready event that no delete follows is in the store, with its hash.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from processors.manifest import read_current
from schemas.errors import Reason
from schemas.events import ImageDeleted, ImageFailed, ImageReady, ImageRemoved
from schemas.ids import current_key, life_of, tombstone_hlc, tombstone_prefix
from tests.handler.world import BUCKET
from tests.simulation.promises import Violation

if TYPE_CHECKING:
    from schemas.events import Cause, Input, Output
    from streams.adapters.simulated_store import SimulatedObjects
    from tests.simulation.world import World

STAYS: Final = "a deleted image stays deleted"
LIFE: Final = "a deleted life is not begun again"
UNTOUCHED: Final = "a delete touches nothing that was uploaded after it"
THERE: Final = "every announced object is there"
DUE: Final = frozenset({
    Reason.TRUNCATED, Reason.IMAGE_DELETED, Reason.INVALID_EVENT, Reason.RETRIES_EXHAUSTED, Reason.WORKER_CRASHED,
})  # fmt: skip
"""Why an event may fail here; anything else is a defect."""


@dataclass(slots=True)
class _Image:
    """What was said of one image."""

    tenant: str
    image_id: str
    uploads: set[int] = field(default_factory=set)
    deletes: set[int] = field(default_factory=set)
    ready: list[ImageReady] = field(default_factory=list)
    removed: list[tuple[float, ImageRemoved]] = field(default_factory=list)
    """With the time at which the announcement was seen."""


class ImagePromises:
    """The bookkeeping of one schedule's images."""

    def __init__(self, world: World, objects: SimulatedObjects) -> None:
        self._world = world
        self._objects = objects
        self._images: dict[tuple[str, str], _Image] = {}
        self._named: defaultdict[str, list[ImageReady]] = defaultdict(list)
        """Ready events by the keys that they name."""
        self._found: list[Violation] = []
        objects.removed = self._removes

    def accepted(self, event: Input) -> None:
        """Note an upload or delete."""
        image = self._images.setdefault((event.tenant, event.image_id), _Image(event.tenant, event.image_id))
        (image.deletes if isinstance(event, ImageDeleted) else image.uploads).add(event.hlc)

    def observed(self, event: Output, began: float) -> list[Violation]:
        """Judge an answer; the work on it began at that time."""
        if isinstance(event, ImageFailed):
            self._judge_failed(event)
        else:
            image = self._images[event.tenant, event.image_id]
            if isinstance(event, ImageRemoved):
                image.removed.append((self._world.now, event))
                self._found += [_broken(STAYS, r, event) for r in image.ready if _is_late(r, event)]
            else:
                self._judge_ready(image, event, began)
        found, self._found = self._found, []
        return found

    def _judge_failed(self, event: ImageFailed) -> None:
        if event.reason not in DUE:
            self._found.append(Violation("nothing fails without a reason", f"{event.reason}: {event.detail}"))
        elif event.reason is Reason.IMAGE_DELETED and event.tenant is not None and event.image_id is not None:
            image = self._images[event.tenant, event.image_id]
            if not any(hlc > event.hlc for hlc in image.deletes):
                self._found.append(Violation("nothing is taken for deleted that is not", str(event.cause)))

    def _judge_ready(self, image: _Image, event: ImageReady, began: float) -> None:
        image.ready.append(event)
        life = min(life_of(variant.key) or 0 for variant in event.variants)
        for seen, removed in image.removed:
            if event.hlc < removed.hlc and (began > seen or _is_late(event, removed)):
                self._found.append(_broken(STAYS, event, removed))
            if began > seen and life < removed.hlc < event.hlc:
                self._found.append(_broken(LIFE, event, removed))
        for variant in event.variants:
            self._named[variant.key].append(event)
        if event.hlc > self._newest_tombstone(image):
            self._judge_objects(event)

    def _judge_objects(self, event: ImageReady) -> None:
        for variant in event.variants:
            data = self._objects.get(variant.bucket, variant.key)
            if data is None or sha256(data).hexdigest() != variant.sha256:
                state = "missing" if data is None else "another"
                self._found.append(Violation(THERE, f"{variant.key} of {_place(event.cause)} is {state}"))

    def _removes(self, bucket: str, key: str, _data: bytes) -> None:
        for event in self._named.get(key, ()) if bucket == BUCKET else ():
            if event.hlc > self._newest_tombstone(self._images[event.tenant, event.image_id]):
                self._found.append(Violation(UNTOUCHED, f"{key} of {_place(event.cause)} goes"))

    def _newest_tombstone(self, image: _Image) -> int:
        keys = self._objects.page(BUCKET, tombstone_prefix(image.tenant, image.image_id), "", 1 << 30)
        return max((hlc for key in keys if (hlc := tombstone_hlc(key)) is not None), default=0)

    # --- the end -------------------------------------------------------------------------------------------------

    def at_rest(self) -> list[Violation]:
        """Judge what the store holds."""
        for image in self._images.values():
            newest = self._newest_tombstone(image)
            announced = max((event.hlc for _, event in image.removed), default=0)
            if announced > newest:
                self._found.append(Violation(STAYS, f"no tombstone for the announced delete {announced}"))
            for event in image.ready:
                if event.hlc > newest:
                    self._judge_objects(event)
            self._judge_pointer(image, announced)
        return self._found

    def _judge_pointer(self, image: _Image, announced: int) -> None:
        """The pointer is as new as the newest answer, and says what it says; newer only for an accepted event."""
        ready = max((event.hlc for event in image.ready), default=0)
        if not ready and not announced:
            return
        data = self._objects.get(BUCKET, current_key(image.tenant, image.image_id))
        current = None if data is None else read_current(data)
        if current is None or current.hlc < max(ready, announced):
            detail = f"the pointer says {current}, not {ready}, {announced}"
        elif current.hlc not in (image.deletes if current.manifest is None else image.uploads):
            detail = f"nobody said what the pointer says: {current}"
        elif (
            current.manifest is None or current.hlc != ready or self._objects.get(BUCKET, current.manifest) is not None
        ):
            return
        else:
            detail = f"the pointer's manifest {current.manifest} is missing"
        self._found.append(Violation(STAYS, f"{image.image_id}: {detail}"))


def _is_late(ready: ImageReady, removed: ImageRemoved) -> bool:
    """Return whether an upload stands behind a newer delete in the same partition and was made ready all the same."""
    one, other = ready.cause, removed.cause
    same = (one.topic, one.partition) == (other.topic, other.partition)
    return same and one.offset > other.offset and ready.hlc < removed.hlc


def _broken(promise: str, ready: ImageReady, removed: ImageRemoved) -> Violation:
    detail = f"ready {_place(ready.cause)} hlc {ready.hlc}, removed {_place(removed.cause)} hlc {removed.hlc}"
    return Violation(promise, f"{ready.image_id}: {detail}, {ready.variants[0].key}")


def _place(cause: Cause) -> str:
    return f"{cause.topic}[{cause.partition}]@{cause.offset}"
