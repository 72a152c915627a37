"""Which renders of a store are looked at: a sample that a seed repeats, drawn from a listing in bounded memory.

A render is one manifest: one image at one recipe. Nothing here reads an object.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from schemas.ids import encode_id, life_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MANIFEST: Final = "manifest.json"
_SEGMENTS: Final = 6
_WHOLE: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Choice:
    """How much is looked at: ``count`` renders, or a ``fraction`` of all; the same seed takes the same ones."""

    seed: str
    count: int = 100
    fraction: float | None = None
    """0 to 1; if given, it decides."""


def prefix_of(tenant: str | None, image_ids: str) -> str:
    """Return the prefix in the bucket of a tenant's images whose ids begin with ``image_ids``; of all without both."""
    if tenant is None:
        return ""
    # Percent-encoding goes character by character, so the encoded beginning is the beginning of the encoded.
    return f"{encode_id(tenant)}/{quote(image_ids, safe='-_.~')}"


def manifests(keys: Iterable[str]) -> Iterator[str]:
    """Yield the keys of manifests."""
    for key in keys:
        segments = key.split("/")
        if len(segments) == _SEGMENTS and segments[-1] == MANIFEST and life_of(key) is not None:
            yield key


def draw(keys: Iterable[str], choice: Choice) -> list[str]:
    """Return the sample in the order of the keys. Adding images moves few of the others in or out."""

    def score(key: str) -> int:
        return int.from_bytes(blake2b(f"{choice.seed}\0{key}".encode(), digest_size=8).digest())

    if choice.fraction is not None:
        return sorted(key for key in keys if score(key) < choice.fraction * _WHOLE)
    return sorted(heapq.nsmallest(choice.count, keys, key=score))
