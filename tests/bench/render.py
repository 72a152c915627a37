"""What an image costs: our renderer, sharp, thumbor, Pillow and plain libvips on the same photographs, equal settings.

Each contender is a program of its own that measures itself, without its start; one a core runs at a time, so images a
second are those of the whole machine. Beside every time stand the bytes and the likeness (SSIM of the luma) to a full
decode that was resized in one step. Ideal is one decode and the encodes, nothing else.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from processors.likeness import luma, ssim
from tests.bench import bare
from tests.bench.rendering import tools
from tests.bench.rendering.work import LADDERS, Ladder, Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

HERE = Path(__file__).parent / "rendering"
CHILD = (sys.executable, "-m", "tests.bench.rendering.child")
AIMS = {
    "webp": {"ideal": 1.15, "sharp": 1.7, "cascade": 1.15, "thumbor": 3.5},
    "jpeg": {"sharp": 2.5, "cascade": 1.25, "thumbor": 6.0},
    "single": {"sharp": 1.0},
    "avif": {"sharp": 1.0},
}
"""Processor time of a contender over ours, at least; of ``ideal``: ours over it, at most."""
LOSS = 0.003
"""SSIM that a level may be below the one-thumbnail-a-variant form's."""


@dataclass(slots=True)
class Tally:
    """One contender at one ladder."""

    reports: list[Report] = field(default_factory=list)
    likeness: list[float] = field(default_factory=list)
    """Mean SSIM of each level."""
    bytes: int = 0
    """Of all variants of one photograph, on average."""

    def cpu_ms(self) -> float:
        """Return the median processor time an image."""
        return statistics.median(1000 * r.cpu_seconds / r.images for r in self.reports)

    def rate(self) -> float:
        """Return the median images a second of the machine."""
        return statistics.median(r.images / r.seconds for r in self.reports)

    def rss_mb(self) -> float:
        """Return the median peak of one process."""
        return statistics.median(r.peak_rss / 1e6 for r in self.reports)


def commands(wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return how each contender is started; peers that cannot be fetched are named and left out."""
    found = {name: (*CHILD, name) for name in ("ours", "ideal", "each", "pillow")}
    sharp, thumbor = tools.sharp(), tools.thumbor()
    for part, made in (
        (sharp, {n: ("node", str(HERE / "sharp/contender.mjs"), str(sharp.folder), n) for n in ("sharp", "cascade")}),
        (thumbor, {"thumbor": (sys.executable, "-m", "tests.bench.rendering.thumbor", str(thumbor.folder / "venv"))}),
    ):
        if why := tools.missing(part):
            print(f"without {part.name}: {why}", file=sys.stderr)
        else:
            found |= made
    return {
        name: command for name, command in found.items() if not wanted or name in wanted or name in {"ours", "each"}
    }


def run(command: tuple[str, ...], ladder: Ladder, out: Path, times: int, files: Sequence[Path]) -> Report:
    """Run one program a core at once and add up what they did."""
    arguments = [*command, ladder.as_json(), str(out), str(times), *map(str, files)]
    environment = os.environ | {"MALLOC_ARENA_MAX": "2", "VIPS_CONCURRENCY": "1", "OMP_NUM_THREADS": "1"}

    def one(_number: int) -> Report:
        done = subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True)
        return Report(**json.loads(done.stdout.splitlines()[-1]))

    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as threads:
        reports = list(threads.map(one, range(cores)))
    images = sum(r.images for r in reports)
    rate = sum(r.images / r.seconds for r in reports if r.images)
    cpu, peak = sum(r.cpu_seconds for r in reports), max(r.peak_rss for r in reports)
    return Report(images, images / rate if rate else 0.0, cpu, peak)


def likeness(ladder: Ladder, out: Path, references: Path, files: Sequence[Path]) -> list[float]:
    """Return the mean SSIM of each level to the reference, at the reference's size."""
    return [
        statistics.mean(_like(out / f"{f.stem}-{width}", references / f"{f.stem}-{width}") for f in files)
        for width in ladder.widths
    ]


def _like(file: Path, reference: Path) -> float:
    wanted = Image.open(reference).convert("RGB")
    found = Image.open(io.BytesIO(file.read_bytes())).convert("RGB")
    if found.size != wanted.size:  # a pixel of rounding
        found = found.resize(wanted.size, Image.Resampling.BICUBIC)
    return ssim(_luma(wanted), _luma(found))


def _luma(image: Image.Image) -> NDArray[np.float32]:
    return luma(np.asarray(image))


def bench(
    name: str, ladder: Ladder, contenders: Mapping[str, tuple[str, ...]], rounds: int, times: int
) -> dict[str, Any]:
    """Compare at one ladder: A B A B, medians."""
    tallies = {each: Tally() for each in contenders}
    with tempfile.TemporaryDirectory() as folder:
        files = bare.photographs(Path(folder))
        references = Path(folder) / "reference"
        references.mkdir()
        run((*CHILD, "reference"), ladder, references, 0, files[:])
        for number in range(rounds):
            for each, tally in tallies.items():
                out = Path(folder) / each
                out.mkdir(exist_ok=True)
                tally.reports.append(run(contenders[each], ladder, out, times, files))
                if number == 0:
                    tally.likeness = likeness(ladder, out, references, files)
                    tally.bytes = sum(file.stat().st_size for file in out.iterdir()) // len(files)
    _print_table(name, ladder, tallies)
    return _judged(name, tallies)


def _print_table(name: str, ladder: Ladder, tallies: Mapping[str, Tally]) -> None:
    widths = "/".join(map(str, ladder.widths))
    print(
        f"\n{name}: {ladder.format} {widths}, quality {ladder.quality}, effort {ladder.effort}; four 12 MP photographs"
    )
    print(f"{'':9}{'images/s':>9}{'CPU ms':>8}{'x ours':>8}{'RSS MB':>8}{'KB':>7}  SSIM by level")
    ours = tallies["ours"].cpu_ms()
    for each, tally in tallies.items():
        levels = " ".join(f"{value:.4f}" for value in tally.likeness)
        figures = f"{tally.rate():9.1f}{tally.cpu_ms():8.1f}{tally.cpu_ms() / ours:8.2f}{tally.rss_mb():8.0f}"
        print(f"{each:9}{figures}{tally.bytes / 1000:7.0f}  {levels}", flush=True)


def _judged(name: str, tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Return the figures, and each aim with what was reached."""
    ours = tallies["ours"]
    aims: dict[str, Any] = {}
    for rival, least in AIMS[name].items():
        if rival in tallies:
            ratio = tallies[rival].cpu_ms() / ours.cpu_ms()
            found, kept = (1 / ratio, 1 / ratio <= least) if rival == "ideal" else (ratio, ratio >= least)
            aims[f"cpu against {rival}"] = {"aim": least, "found": round(found, 3), "reached": kept}
    worst = min(own - other for own, other in zip(ours.likeness, tallies["each"].likeness, strict=True))
    aims["ssim against each"] = {"aim": -LOSS, "found": round(worst, 4), "reached": worst >= -LOSS}
    rivals = [tally.rss_mb() for each, tally in tallies.items() if each not in {"ours", "ideal"}]
    aims["rss below every peer's"] = {
        "aim": min(rivals),
        "found": ours.rss_mb(),
        "reached": ours.rss_mb() <= min(rivals),
    }
    for aim, each in aims.items():
        print(f"  {'reached' if each['reached'] else 'MISSED '} {aim}: {each['found']:.4g} (aim {each['aim']:.4g})")
    figures = {
        each: {"cpu_ms": round(t.cpu_ms(), 1), "per_second": round(t.rate(), 2), "rss_mb": round(t.rss_mb()),
               "bytes": t.bytes, "ssim": [round(value, 4) for value in t.likeness]}
        for each, t in tallies.items()
    }  # fmt: skip
    return {"figures": figures, "aims": aims}


def main() -> None:
    """Compare at every ladder that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=2, help="how often each of the four photographs, in a round")
    parser.add_argument("--ladder", choices=LADDERS, action="append", help="only this one")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this contender beside ours")
    options = parser.parse_args()
    contenders = commands(options.only)
    found = {
        name: bench(name, LADDERS[name], contenders, options.rounds, options.times)
        for name in options.ladder or LADDERS
    }
    print(json.dumps({"bench": "render", "rounds": options.rounds, "ladders": found}))


if __name__ == "__main__":
    main()
