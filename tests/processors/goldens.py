"""The goldens: what the shipped recipes make of a dozen sources, by exact size and perceptual hash.

``python -m tests.processors.goldens`` records them anew; raise the renderer's revision in the same commit, so that
what was rendered before is rendered again where it is wanted.
"""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyvips
from PIL import Image

from processors.fingerprint import RENDERER_REVISION
from processors.recipe_file import load_folder
from processors.vips import configure_vips
from schemas.events import Attributes, FocusPoint
from tests.processors.builders import decoded, file_of, jpeg, perceptual_hash, picture, rendered, with_alpha

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD: Final = Path(__file__).with_name("goldens.tsv")
_FOCUS: Final = Attributes(focus=FocusPoint(0.3, 0.6))
_SUMMARY: Final = "summary"


@dataclass(frozen=True, slots=True)
class Golden:
    """One variant of one source, or the summary of a source."""

    source: str
    variant: str
    size: str
    content: str
    """16 hex digits of perceptual hash; for the summary the dominant colour."""


def sources() -> dict[str, bytes]:
    """Return a file of every sort that needs a way of its own through the renderer."""
    pixels = picture(900, 600)
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    deep = pyvips.Image.new_from_array(pixels.astype(np.uint16) * 257, interpretation="rgb16")
    exif = Image.Exif()
    exif[0x0112] = 6
    small = picture(300, 200)
    frames = [Image.fromarray(np.roll(small, 40 * index, axis=1)) for index in range(3)]
    gif = io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:])
    return {
        "photograph": jpeg(picture(2600, 1950)),
        "progressive": jpeg(pixels, progressive=True),
        "turned": jpeg(pixels, exif=exif),
        "p3": image.icc_transform("p3", input_profile="srgb").jpegsave_buffer(Q=92, keep="icc"),
        "cmyk": image.icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=92, keep="icc"),
        "deep": deep.pngsave_buffer(compression=1),
        "grey": file_of(np.asarray(Image.fromarray(pixels).convert("L"))),
        "alpha": file_of(with_alpha(pixels)),
        "webp": file_of(pixels, "WEBP", quality=90),
        "avif": file_of(small, "AVIF", quality=90),
        "animation": gif.getvalue(),
        "tiny": file_of(picture(3, 2)),
        "panorama": file_of(picture(3000, 40)),
    }


def goldens() -> Iterator[Golden]:
    """Render everything."""
    for source, data in sources().items():
        for name, recipe in load_folder(None).items():
            result = rendered(data, *recipe.variants, attributes=_FOCUS)
            for variant in result.variants:
                content = f"{perceptual_hash(decoded(variant.data)):016x}"
                yield Golden(source, f"{name}/{variant.name}", f"{variant.width}x{variant.height}", content)
        yield Golden(source, _SUMMARY, str(len(result.thumbhash)), result.dominant_colour)


def recorded() -> tuple[int, list[Golden]]:
    """Return the revision for which the goldens were recorded, and them."""
    with RECORD.open(newline="") as lines:
        head, *rows = csv.reader(lines, delimiter="\t")
    return int(head[1]), [Golden(*row) for row in rows]


def main() -> None:
    """Record."""
    configure_vips()
    rows: list[Any] = [("renderer revision", RENDERER_REVISION), *map(astuple, goldens())]
    with RECORD.open("w", newline="") as out:
        csv.writer(out, delimiter="\t", lineterminator="\n").writerows(rows)
    sys.stdout.write(f"{len(rows) - 1} goldens in {RECORD}\n")


if __name__ == "__main__":
    main()
