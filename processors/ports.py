"""What the image handler needs from outside, as small Protocols: a store, a renderer and a clock.

Adapters implement them; the contract tests hold every implementation to the same behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from processors.facts import Facts
    from processors.recipe import Recipe
    from schemas.events import Attributes


@dataclass(frozen=True, slots=True)
class Blob:
    """One object's bytes with what identifies this state of it."""

    data: bytes
    etag: str
    """Opaque, without quotes; changes whenever the bytes do."""
    version_id: str | None = None
    content_type: str | None = None


class Store(Protocol):
    """Objects by bucket and key, with S3's semantics: a PUT is atomic, the last one wins, a missing DELETE is fine.

    Every method may raise `schemas.errors.Unavailable` ("store") when the service is down, `Transient` on a passing
    fault, and `Permanent(OUTPUT_REFUSED)` when the store refuses the key or object for good.
    """

    def fetch(self, bucket: str, key: str, *, limit: int, version_id: str | None = None) -> Blob | None:
        """Return the object or None if it (or its bucket) is missing.

        Raise `Permanent(TOO_LARGE)` without reading the body if it holds more than ``limit`` bytes.
        """
        ...

    def put(self, bucket: str, key: str, data: bytes, *, content_type: str, cache_control: str = "") -> None:
        """Write the object whole or not at all."""
        ...

    def replace(self, bucket: str, key: str, data: bytes, *, expected: str | None, content_type: str) -> bool:
        """Write only if the object's etag still is ``expected`` (None: only if it does not exist); False if it lost."""
        ...

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """Yield the keys that start with ``prefix``, in UTF-8 binary order, after ``start_after``."""
        ...

    def remove(self, bucket: str, keys: Iterable[str]) -> int:
        """Delete the objects and return how many deletions were asked for; missing ones count and are no error."""
        ...

    def check(self) -> None:
        """Raise `Unavailable` unless the store answers."""
        ...


@dataclass(frozen=True, slots=True)
class RenderedVariant:
    """One encoded variant, not yet stored."""

    name: str
    data: bytes
    content_type: str
    extension: str
    width: int
    height: int
    quality: int | None = None
    """The encoder's; None where it is lossless."""
    missed: str = ""
    """``target`` or ``max_bytes`` where no quality reaches what the recipe asks for; else empty."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Everything one decode yielded."""

    variants: tuple[RenderedVariant, ...]
    thumbhash: bytes
    dominant_colour: str
    """``#rrggbb``."""
    perceptual_hash: str = ""
    """16 hex digits."""


class Renderer(Protocol):
    """Pixels, parsed somewhere they can do no harm. Both methods raise `Permanent` with the reason that fits."""

    def inspect(self, data: bytes) -> Facts:
        """Read the header only, in milliseconds; refuse what is hostile, too large or of a format not taken."""
        ...

    def render(self, data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes) -> Rendered:
        """Make every variant of the recipe from one decode."""
        ...


class Clock(Protocol):
    """Time, passed in so that tests and simulations choose it."""

    def now(self) -> datetime:
        """Return the wall clock's time, in UTC with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, to measure with."""
        ...
