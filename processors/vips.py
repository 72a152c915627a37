"""libvips set up for a render process: one thread an image, no cache, and only the loaders that are let in.

Nothing is set on import: `configure_vips` is called once by whoever owns the process.
"""

from __future__ import annotations


def configure_vips() -> None:
    """Set libvips up for this process. Repeating it changes nothing."""
    raise NotImplementedError
