"""What a source may be at most, as the renderer takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors.facts import Limits

if TYPE_CHECKING:
    from streams.settings import Settings


def make_limits(settings: Settings) -> Limits:
    """Return the limits of inspection."""
    wanted = settings.limits
    return Limits(pixels=wanted.pixels, bytes=wanted.bytes, frames=wanted.frames, aspect=wanted.aspect)
