"""What the benches compare with: photographs, and the shortest honest loop that makes the same variants of them.

The loop is what a reader of libvips' documentation would write by hand for the shipped ``web`` recipe: one decode with
the right shrink, each level from the one above, one encode each, all in one process. It is no bench itself.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyvips

from streams.cli import demo_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS: Final = (1280, 640, 320, 160)
"""The shipped ``web`` recipe; a bench that uses the loop checks that it still is."""
QUALITY, EFFORT = 80, 2


def photographs(folder: Path) -> list[Path]:
    """Draw four JPEGs of 12 megapixels, always the same ones, in processes of their own."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        paths = processes.map(partial(demo_samples.write, folder=str(folder)), range(len(demo_samples.SAMPLES)))
        return [Path(path) for path in paths]


def configure() -> None:
    """Set libvips as a render child has it."""
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)


def ladder(data: bytes) -> list[bytes]:
    """Make the four WebP variants of a JPEG."""
    width = _open(data, 1).width
    shrink = next(step for step in (8, 4, 2, 1) if width / step >= 1.5 * WIDTHS[0])
    level, made = _open(data, shrink), []
    for target in WIDTHS:
        level = level.resize(target / level.width).copy_memory()
        made.append(bytes(level.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep="none")))
    return made


def loop(photos: Sequence[bytes], times: int) -> int:
    """Make the ladder of each, so many times; return how many images that were."""
    for _ in range(times):
        for data in photos:
            ladder(data)
    return times * len(photos)


def _open(data: bytes, shrink: int) -> Any:  # noqa: ANN401 - pyvips is untyped
    return pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="truncated", shrink=shrink)
