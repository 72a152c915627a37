"""Animations: every frame goes the way of the first, one decoded frame at a time, and they are encoded together.

Runs only in render processes (and tests): it loads libvips. What it holds is the finished frames of every animated
variant and one frame of the source; a loader may hold more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pyvips

from processors.encode import encode
from processors.levels import make_levels
from processors.picture import crop_of, picture_of
from processors.plan import make_plan
from processors.vips import encoding, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processors.facts import Facts
    from processors.geometry import Crop
    from processors.quality import Encoded
    from processors.recipe import Recipe
    from processors.steps import Plan
    from processors.vips import Image
    from schemas.events import Attributes

_ALL_FRAMES: Final = -1
_USUAL_DELAY_MS: Final = 100
"""What a reader takes for a frame that says nothing."""


def moving(data: bytes, facts: Facts, recipe: Recipe, attributes: Attributes, kept: Crop | None) -> dict[str, Encoded]:
    """Return the animated variants of an animation by name; nothing for a still source. Use inside `decoding`."""
    wanted = tuple(spec for spec in recipe.variants if spec.animated)
    if facts.frames == 1 or not wanted:
        return {}
    plan = make_plan(facts, replace(recipe, variants=wanted), attributes, kept)
    source = open_image(data, facts.format, n=_ALL_FRAMES)
    pictures = _pictures(source, plan)
    made: dict[str, Encoded] = {}
    for output in plan.outputs:
        name = output.spec.name
        if output.same_as is not None:
            made[name] = made[output.same_as]
            continue
        with encoding(name):
            strip = _strip(pictures.pop(name), source)
            made[name] = encode(strip, output.spec, profile=plan.levels[output.level].kept)
    return made


def _pictures(source: Image, plan: Plan) -> dict[str, list[Image]]:
    """Return the finished frames of each variant. What a smart crop finds in the first frame holds for all."""
    outputs = [output for output in plan.outputs if output.same_as is None]
    made: dict[str, list[Image]] = {output.spec.name: [] for output in outputs}
    crops: dict[str, Crop | None] = {}
    for frame in _frames(source):
        levels = make_levels(frame, plan)
        for output in outputs:
            name = output.spec.name
            if name not in crops:
                crops[name] = crop_of(output, plan, levels)
            made[name].append(picture_of(output, levels, crops[name]).copy_memory())
    return made


def _frames(source: Image) -> Iterator[Image]:
    """Cut the strip of all frames, from top to bottom as it is decoded."""
    height = source.get("page-height") if source.get_typeof("page-height") else source.height
    for top in range(0, source.height, height):
        yield source.crop(0, top, source.width, height).copy_memory()


def _strip(pictures: list[Image], source: Image) -> Image:
    """Put frames below each other, as the savers want them, with the source's times."""
    strip = pyvips.Image.arrayjoin(pictures, across=1).copy()
    delays = list(source.get("delay")) if source.get_typeof("delay") else []
    delays = (delays + [_USUAL_DELAY_MS] * len(pictures))[: len(pictures)]
    strip.set_type(pyvips.GValue.gint_type, "page-height", pictures[0].height)
    strip.set_type(pyvips.GValue.gint_type, "n-pages", len(pictures))
    strip.set_type(pyvips.GValue.array_int_type, "delay", delays)
    strip.set_type(pyvips.GValue.gint_type, "loop", source.get("loop") if source.get_typeof("loop") else 0)
    return strip
