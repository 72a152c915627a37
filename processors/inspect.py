"""Read a source's header in milliseconds and refuse what must not reach a decoder. No pixel is decoded here.

Runs only in render processes (and tests): it loads libvips. The values it returns are in ``processors.facts``.
"""

from __future__ import annotations

from processors.facts import Facts, Limits

__all__ = ["Facts", "Limits", "inspect"]


def inspect(data: bytes, limits: Limits) -> Facts:
    """Return what the header says, or raise `Permanent` with the reason that fits."""
    raise NotImplementedError
