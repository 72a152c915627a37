"""The renderer that the image handler is given: pixels parsed in killable children, admitted by the memory they need.

Inspection has a child of its own, so that a refusal never waits behind a render. What runs in the children is
``streams.adapters.render_child``; how they word their answers is ``streams.adapters.render_answers``.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from processors.conditions import chosen
from processors.facts import Limits
from schemas.errors import Permanent, Reason
from streams.adapters.render_answers import read_facts, read_rendered
from streams.runtime.memory import MemoryBudget
from streams.runtime.pool import Pool, PoolSettings

if TYPE_CHECKING:
    from typing import Self

    from processors.facts import Facts
    from processors.ports import Rendered
    from processors.recipe import Recipe
    from schemas.events import Attributes
    from streams.runtime.memory import BudgetStats
    from streams.runtime.pool import PoolStats

_ENVIRONMENT: Final = {
    "MALLOC_ARENA_MAX": "2",  # a third less resident memory, no slower
    # Buffers of a photograph's size are used again, not given back and zeroed anew for every image (measured: 2 %).
    "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    "VIPS_CONCURRENCY": "1",  # parallel by images, not within one
    "VIPS_DISC_THRESHOLD": "1000g",  # a child can write no temporary file: what was admitted stays in memory
    "OPENBLAS_NUM_THREADS": "1",  # a child must have one thread when it is locked in
}
_INSPECT_LIMIT_S: Final = 10.0
"""A header takes milliseconds."""
_INSPECT_MEMORY: Final = 1 << 30
_JPEG: Final = b"\xff\xd8\xff"
_OPENING: Final = 128 * 1024
"""Bytes that hold the whole header of nearly every JPEG: EXIF with its thumbnail takes at most 64 KiB."""


@dataclass(frozen=True, slots=True)
class RendererSettings:
    """How many children, and within which bounds."""

    renderers: int = 0
    """Render processes; 0: one a core that this process may use."""
    memory_bytes: int = 1 << 30
    """Decoded bytes in the making at once, all renderers together; a larger image is rendered alone."""
    time_limit_s: float = 60.0
    """For one render."""
    child_memory_bytes: int = 2 << 30
    """Resident memory at which a render process is killed."""
    recycle_after: int = 1000
    """Images that a render process makes before a fresh one takes its place."""
    limits: Limits = field(default_factory=Limits)


class PoolRenderer:
    """Implements `processors.ports.Renderer`. Thread-safe; a context manager that closes."""

    def __init__(self, settings: RendererSettings) -> None:
        self._limits = settings.limits
        self._budget = MemoryBudget(settings.memory_bytes)
        self._inspectors = Pool(_inspectors(settings))
        self._renderers = Pool(_renderers(settings))

    def start(self) -> None:
        """Start the children. Raise `streams.runtime.pool.PoolStartError` if they cannot start."""
        try:
            self._inspectors.start()
            self._renderers.start()
        except BaseException:
            self.close()
            raise

    def inspect(self, data: bytes) -> Facts:
        """Return what the header says. Raise as `processors.inspect.inspect` and `Pool.call` do.

        All that a JPEG says of itself comes before its pixels, so its opening is sent first: megabytes stay here.
        """
        if data.startswith(_JPEG) and _OPENING < len(data) <= self._limits.bytes:
            try:
                return self._inspectors.call(b"", memoryview(data)[:_OPENING], read_facts)
            except Permanent as error:
                if error.reason not in {Reason.TRUNCATED, Reason.UNDECODABLE}:
                    raise
        return self._inspectors.call(b"", data, read_facts)

    def render(self, data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
        """Wait for the memory that the facts ask for, then render. Raise as `Pool.call` does."""
        recipe = chosen(recipe, facts)  # what the answer is held to
        plain = replace(attributes, extra=dict(attributes.extra))  # whatever mapping it was, it can be pickled now
        command = pickle.dumps((facts, recipe, plain), protocol=pickle.HIGHEST_PROTOCOL)
        # Every frame of an animated variant is held until they are encoded together.
        frames = facts.frames if recipe.moves else 1
        with self._budget.admit(facts.decoded_bytes * frames):
            return self._renderers.call(command, data, lambda answer: read_rendered(answer, recipe))

    def stats(self) -> tuple[PoolStats, PoolStats, BudgetStats]:
        """Return the figures of the inspectors, the renderers and the memory budget."""
        return self._inspectors.stats(), self._renderers.stats(), self._budget.stats()

    def close(self) -> None:
        """End every child at once; whoever waits gets a `Transient`. Idempotent."""
        self._budget.close()
        self._inspectors.close()
        self._renderers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _inspectors(settings: RendererSettings) -> PoolSettings:
    return PoolSettings(
        name="inspector",
        entry="streams.adapters.render_child:inspector",
        options=settings.limits,
        time_limit_s=_INSPECT_LIMIT_S,
        memory_limit_bytes=_INSPECT_MEMORY,
        recycle_after=100 * settings.recycle_after,  # a header leaves little behind, and there is only one child
        environment=_ENVIRONMENT,
    )


def _renderers(settings: RendererSettings) -> PoolSettings:
    return PoolSettings(
        name="renderer",
        entry="streams.adapters.render_child:renderer",
        processes=settings.renderers or _cores(),
        time_limit_s=settings.time_limit_s,
        memory_limit_bytes=settings.child_memory_bytes,
        recycle_after=settings.recycle_after,
        environment=_ENVIRONMENT,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
