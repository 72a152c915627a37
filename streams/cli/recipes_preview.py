"""What `darkroom recipes preview` leaves behind: a file for each variant, and a page that shows them beside each other.

The bytes are the renderer's and stay unread here: sizes come from its answer, pictures are for the browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.cli.demo_page import Picture, Shown, write_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processors.facts import Facts
    from processors.ports import Rendered
    from processors.recipe import Recipe

SHEET = "sheet.html"


def write_preview(
    folder: Path, source: Path, recipe: Recipe, facts: Facts, rendered: Rendered
) -> Iterator[dict[str, Any]]:
    """Write variants and page; yield what was written of each variant."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for each in rendered.variants:
        path = folder / f"{each.name}.{each.extension}"
        path.write_bytes(each.data)
        shown.append(Shown(each.name, each.width, each.height, each.content_type, each.data))
        yield {
            "variant": each.name,
            "file": str(path),
            "content_type": each.content_type,
            "width": each.width,
            "height": each.height,
            "bytes": len(each.data),
            "quality": each.quality,
            "missed": each.missed,
        }
    line = f"{facts.format}, {facts.width} x {facts.height}, {facts.colour_space}, {source.stat().st_size} bytes"
    picture = Picture(source.name, line, is_ready=True, colour=rendered.dominant_colour, variants=shown)
    summary = f"Recipe {recipe.name}: {len(shown)} variants"
    write_page(
        folder / SHEET, [picture], summary, "Large variants are shown smaller; the files beside this page are not."
    )
