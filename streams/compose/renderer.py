"""The renderer as the settings describe it: the same for a worker and for whoever tries a recipe out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streams.adapters.pool_renderer import PoolRenderer, RendererSettings
from streams.compose.limits import make_limits

if TYPE_CHECKING:
    from streams.settings import Settings

_MEGABYTE: Final = 1_000_000


def make_renderer(settings: Settings, *, alone: bool = False) -> PoolRenderer:
    """Return a renderer that has not started; with ``alone`` it is for one image at a time."""
    wanted = RendererSettings(
        renderers=settings.worker.renderers,
        memory_bytes=settings.worker.memory_mb * _MEGABYTE,
        time_limit_s=settings.worker.time_limit_s,
        limits=make_limits(settings),
    )
    return PoolRenderer(replace(wanted, renderers=1) if alone else wanted)
