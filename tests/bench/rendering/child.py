"""A contender written in Python: ``python -m tests.bench.rendering.child NAME LADDER OUT TIMES FILE...``.

Writes the variants of every file to OUT (the warm-up), then makes them TIMES times more and prints the `Report`.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.rendering.work import Ladder, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[bytes], list[bytes]]


def ours(ladder: Ladder) -> Make:
    """The renderer as a render process runs it."""
    from processors.facts import Limits  # noqa: PLC0415 - each contender pays for its own libraries only
    from processors.inspect import inspect  # noqa: PLC0415
    from processors.recipe import Format, Recipe, VariantSpec  # noqa: PLC0415
    from processors.render import render  # noqa: PLC0415
    from processors.vips import configure_vips  # noqa: PLC0415
    from schemas.events import Attributes  # noqa: PLC0415

    configure_vips()
    kind = Format(ladder.format)
    specs = [VariantSpec(f"w{w}", kind, ladder.quality, ladder.effort, width=w) for w in ladder.widths]
    recipe, limits = Recipe("bench", tuple(specs)), Limits()

    def make(data: bytes) -> list[bytes]:
        return [bytes(v.data) for v in render(data, inspect(data, limits), recipe, Attributes()).variants]

    return make


def ideal(ladder: Ladder) -> Make:
    """One decode at the shrink that we take, and the encodes; the levels are made once, before the clock runs.

    No renderer can cost less without another decoder or encoder.
    """
    vips = _vips()
    levels: dict[int, list[Any]] = {}

    def make(data: bytes) -> list[bytes]:
        width = vips.Image.jpegload_buffer(data).width
        shrink = next(step for step in (8, 4, 2, 1) if width / step >= 1.5 * ladder.widths[0])
        decoded = vips.Image.jpegload_buffer(data, access="sequential", shrink=shrink).copy_memory()
        if len(data) not in levels:
            levels[len(data)] = [decoded.resize(w / decoded.width).copy_memory() for w in ladder.widths]
        return [_saved(level, ladder) for level in levels[len(data)]]

    return make


def each(ladder: Ladder) -> Make:
    """The usual form: one thumbnail_buffer a variant, each with a decode of its own."""
    vips = _vips()

    def make(data: bytes) -> list[bytes]:
        return [_saved(vips.Image.thumbnail_buffer(data, w, height=10**6, size="down"), ladder) for w in ladder.widths]

    return make


def reference(ladder: Ladder) -> Make:
    """What likeness is measured against: a full decode, resized in one step, stored without loss."""
    vips = _vips()

    def make(data: bytes) -> list[bytes]:
        image = vips.Image.jpegload_buffer(data).copy_memory()
        return [bytes(image.resize(w / image.width, kernel="lanczos3").pngsave_buffer()) for w in ladder.widths]

    return make


def pillow(ladder: Ladder) -> Make:
    """A tight draft, then each level from the one above."""
    from PIL import Image  # noqa: PLC0415

    effort: dict[str, dict[str, Any]] = {
        "webp": {"method": ladder.effort},
        "avif": {"speed": 9 - ladder.effort},
        "jpeg": {"optimize": True},
    }
    options = {"quality": ladder.quality, **effort[ladder.format]}

    def make(data: bytes) -> list[bytes]:
        image: Image.Image = Image.open(io.BytesIO(data))
        whole = image.size
        image.draft("RGB", (ladder.widths[0], ladder.widths[0] * whole[1] // whole[0]))
        made = []
        for width in ladder.widths:
            image = image.resize((width, max(1, round(width * whole[1] / whole[0]))), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            image.save(out, ladder.format, **options)
            made.append(out.getvalue())
        return made

    return make


def _vips() -> Any:  # noqa: ANN401 - pyvips is untyped
    import pyvips  # noqa: PLC0415

    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    return pyvips


def _saved(image: Any, ladder: Ladder) -> bytes:  # noqa: ANN401 - pyvips is untyped
    if ladder.format == "webp":
        return bytes(image.webpsave_buffer(Q=ladder.quality, effort=ladder.effort, keep="none"))
    if ladder.format == "avif":
        return bytes(image.heifsave_buffer(Q=ladder.quality, effort=ladder.effort, compression="av1", keep="none"))
    return bytes(image.jpegsave_buffer(Q=ladder.quality, optimize_coding=True, keep="none"))


def main(arguments: list[str]) -> None:
    """Write, then measure."""
    name, text, out, times, *files = arguments
    ladder = Ladder.from_json(text)
    make: Make = {"ours": ours, "ideal": ideal, "each": each, "pillow": pillow, "reference": reference}[name](ladder)
    data = [(Path(file).stem, Path(file).read_bytes()) for file in files]
    for stem, each_file in data:
        for width, made in zip(ladder.widths, make(each_file), strict=True):
            (Path(out) / f"{stem}-{width}").write_bytes(made)
    began, cpu = time.perf_counter(), _cpu()
    for _ in range(int(times)):
        for _, each_file in data:
            make(each_file)
    seconds = time.perf_counter() - began
    report = Report(int(times) * len(data), seconds, _cpu() - cpu, peak_rss())
    print(json.dumps(asdict(report)))


def peak_rss(process: int | str = "self") -> int:
    """Return a process's highest resident memory in bytes; ``ru_maxrss`` begins with its parent's."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
