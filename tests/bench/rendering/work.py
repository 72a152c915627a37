"""The work that every contender does, and how one program of theirs is run: the same arguments, the same report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Self


@dataclass(frozen=True, slots=True)
class Ladder:
    """The variants of one image: one format, some widths, equal settings for everybody."""

    format: str
    widths: tuple[int, ...]
    quality: int
    effort: int

    def as_json(self) -> str:
        """Return what is handed to a contender's program."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `as_json` wrote."""
        plain = json.loads(text)
        return cls(plain["format"], tuple(plain["widths"]), plain["quality"], plain["effort"])


LADDERS: Final = {
    "webp": Ladder("webp", (1280, 640, 320, 160), 80, 2),
    "jpeg": Ladder("jpeg", (1920, 1280, 640, 320, 160), 80, 1),
    "single": Ladder("jpeg", (512,), 80, 1),
    "avif": Ladder("avif", (640,), 50, 3),
}
"""The three ladders that people ask for, and the one variant that other benchmarks show."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a contender's program prints when it is done: of itself, without its start."""

    images: int
    seconds: float
    cpu_seconds: float
    peak_rss: int
    """Bytes."""
