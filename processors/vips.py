"""libvips set up for a render process, opened through the loaders that are let in, with its errors translated once.

Nothing is set on import: `configure_vips` is called once by whoever owns the process.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyvips

from processors.facts import SourceFormat
from processors.sniff import is_cut_short
from schemas.errors import Permanent, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

Image = Any
"""A `pyvips.Image`; pyvips ships no types."""

_LOADERS: Final = {
    SourceFormat.JPEG: ("VipsForeignLoadJpeg", "jpegload_buffer"),
    SourceFormat.PNG: ("VipsForeignLoadPng", "pngload_buffer"),
    SourceFormat.WEBP: ("VipsForeignLoadWebp", "webpload_buffer"),
    SourceFormat.GIF: ("VipsForeignLoadNsgif", "gifload_buffer"),
    SourceFormat.AVIF: ("VipsForeignLoadHeif", "heifload_buffer"),
}
"""Every loader is named: left to choose, libvips opens a JPEG with a gain map as Ultra HDR, and so keeps the map."""
_DETAIL: Final = 200
"""Characters of libvips' own words that go into an error."""


def configure_vips() -> None:
    """Set libvips up for this process: one thread, no cache, no other loaders, no chatter. Repeating it is harmless."""
    logging.getLogger("pyvips").setLevel(logging.ERROR)  # it warns about every oddity of every file
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", state=True)
    for loader, _ in _LOADERS.values():
        pyvips.operation_block_set(loader, state=False)


def open_image(data: bytes, source: SourceFormat, **options: float) -> Image:
    """Open the first frame for one pass from top to bottom; pixels are decoded as they are asked for.

    ``options`` are the loader's shrink-on-load. A truncated file fails, here or later: use inside `decoding`.
    """
    load = getattr(pyvips.Image, _LOADERS[source][1])
    return load(data, access="sequential", fail_on="truncated", **options)


@contextmanager
def decoding(data: bytes, source: SourceFormat) -> Iterator[None]:
    """Translate libvips' errors: TRUNCATED if the file ends before its structure does, else UNDECODABLE."""
    try:
        yield
    except pyvips.Error as error:
        cut = is_cut_short(data, source)
        raise Permanent(
            Reason.TRUNCATED if cut else Reason.UNDECODABLE, f"{source}: {_words(error).removeprefix(f'{source}: ')}"
        ) from error


@contextmanager
def encoding(variant: str) -> Iterator[None]:
    """Translate libvips' errors: what was decoded must be encodable, so a failure is ours, and stays one on retry."""
    try:
        yield
    except pyvips.Error as error:
        raise Permanent(Reason.INTERNAL, f"variant {variant}: {_words(error)}") from error


def _words(error: pyvips.Error) -> str:
    """Take the last line that names its speaker: the ones before led to it, the others continue one."""
    lines = [line.strip() for line in str(error.detail).splitlines() if ": " in line]
    return (lines[-1] if lines else "libvips gives no reason")[:_DETAIL]
