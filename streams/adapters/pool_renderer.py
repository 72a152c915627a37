"""The renderer that the image handler is given: pixels parsed in killable children, admitted by the memory they need.

Inspection has a child of its own, so that a refusal never waits behind a render. What the children answer is checked
as one checks a stranger's form: variants are those of the recipe, types those that exist, and numbers are numbers.
"""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from processors.facts import Facts, Limits
from processors.ports import Rendered, RenderedVariant
from processors.recipe import Format, is_colour
from streams.runtime.memory import MemoryBudget
from streams.runtime.pool import Pool, PoolSettings

if TYPE_CHECKING:
    from typing import Self

    from processors.recipe import Recipe
    from schemas.events import Attributes
    from streams.runtime.memory import BudgetStats
    from streams.runtime.pool import Answer, PoolStats

_ENVIRONMENT: Final = {
    "MALLOC_ARENA_MAX": "2",  # a third less resident memory, no slower
    "VIPS_CONCURRENCY": "1",  # parallel by images, not within one
    "VIPS_DISC_THRESHOLD": "1000g",  # a child can write no temporary file: what was admitted stays in memory
    "OPENBLAS_NUM_THREADS": "1",  # a child must have one thread when it is locked in
}
_INSPECT_LIMIT_S: Final = 10.0
"""A header takes milliseconds."""
_INSPECT_MEMORY: Final = 1 << 30
_THUMBHASH: Final = 64
"""Bytes that no thumbhash exceeds."""
_TYPES: Final = frozenset((each.content_type, each.extension) for each in Format)


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
        """Return what the header says. Raise as `processors.inspect.inspect` and `Pool.call` do."""
        return self._inspectors.call(b"", data, _read_facts)

    def render(self, data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
        """Wait for the memory that the facts ask for, then render. Raise as `Pool.call` does."""
        plain = replace(attributes, extra=dict(attributes.extra))  # whatever mapping it was, it can be pickled now
        command = pickle.dumps((facts, recipe, plain), protocol=pickle.HIGHEST_PROTOCOL)
        with self._budget.admit(facts.decoded_bytes):
            return self._renderers.call(command, data, lambda answer: _read_rendered(answer, recipe))

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


def _read_facts(answer: Answer) -> Facts:
    said = json.loads(answer.head)
    values: dict[str, Any] = {name: _of(kind, said[name]) for name, kind in get_type_hints(Facts).items()}
    return Facts(**values)


def _of(kind: type, value: object) -> object:
    """Return ``value`` as a ``kind``; JSON knows enums as strings, and Python takes True for an int."""
    if kind in {int, bool, str}:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return value
    return kind(value)


def _read_rendered(answer: Answer, recipe: Recipe) -> Rendered:
    said = json.loads(answer.head)
    variants = tuple(
        RenderedVariant(name, bytes(part), content_type, extension, _side(width), _side(height))
        for (name, content_type, extension, width, height), part in zip(said["variants"], answer.parts, strict=True)
    )
    if [each.name for each in variants] != [each.name for each in recipe.variants]:
        raise ValueError("not the recipe's variants")
    if not all((each.content_type, each.extension) in _TYPES for each in variants):
        raise ValueError("an unknown type")
    thumbhash, colour = bytes.fromhex(said["thumbhash"]), said["dominant_colour"]
    if len(thumbhash) > _THUMBHASH or not is_colour(colour):
        raise ValueError("an impossible thumbhash or colour")
    return Rendered(variants, thumbhash, colour)


def _side(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no length in pixels")
    return value
