"""What is wrong in the tables of a recipe: each key by itself, and keys that must go together.

This knows tables of plain values, not files or lines; ``processors.recipe_file`` adds those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processors import recipe
from processors.recipe_keys import KEYS, Complaint, Table
from processors.recipe_specs import names_of, number

if TYPE_CHECKING:
    from collections.abc import Iterator


def complaints_about_keys(table: Table, known: tuple[str, ...]) -> Iterator[Complaint]:
    """Look at every key by itself."""
    for key, value in table.items():
        if key not in known:
            yield Complaint(key, value, "unknown key; allowed are " + ", ".join(known))
        elif not KEYS[key].accepts(value):
            yield Complaint(key, value, KEYS[key].allowed)


def complaints_about_defaults(defaults: Table) -> Iterator[Complaint]:
    """Refuse keys that only mean something together with a format, where the defaults have no format."""
    if "format" in defaults:
        yield from _complaints_about_format(recipe.Format(str(defaults["format"])), defaults)
        return
    for key, value in defaults.items():
        if KEYS[key].per_format:
            yield Complaint(key, value, "needs a format beside it in [defaults]: it means something else for each")


def complaints_about_missing(table: Table) -> Iterator[Complaint]:
    """Look for what every variant needs, of its own or inherited."""
    for key in ("name", "format"):
        if key not in table:
            yield Complaint(key, None, KEYS[key].allowed)


def complaints_about_variant(table: Table) -> Iterator[Complaint]:
    """Look at keys that must go together; every key by itself is known to be right."""
    if "format" in table:
        yield from _complaints_about_format(recipe.Format(str(table["format"])), table)
    fit = table.get("fit", recipe.Fit.FIT)
    yield from _complaints_about_bounds(table, str(fit))
    yield from _complaints_about_ratios(table)
    if table.get("grey") is True and table.get("profile") == recipe.Profile.KEEP:
        yield Complaint("profile", "keep", "not with grey = true: the profile is that of the colours")
    if fit != recipe.Fit.FIT:
        for key in ("width", "height"):
            if key not in table:
                yield Complaint(key, None, f'fit = "{fit}" needs width and height')


def _complaints_about_bounds(table: Table, fit: str) -> Iterator[Complaint]:
    for key, fits in (("min_width", ("fit",)), ("min_height", ("fit",)), ("max_pixels", ("fit", "cover"))):
        if key in table and fit not in fits:
            yield Complaint(key, table[key], f'not with fit = "{fit}", which has a size of its own')


def _complaints_about_ratios(table: Table) -> Iterator[Complaint]:
    ratios = table.get("dpr")
    if not isinstance(ratios, list):
        return
    largest = max(ratios)
    if "width" not in table and "height" not in table:
        yield Complaint("dpr", ratios, "needs a width or a height to multiply")
    for key in ("width", "height", "min_width", "min_height"):
        if (side := number(table.get(key))) and side * largest > recipe.MAX_SIDE:
            yield Complaint(key, side, f"{largest} times this is more than {recipe.MAX_SIDE}")
    for name in names_of(table):
        if not recipe.is_name(name):
            yield Complaint("name", table.get("name"), f"it becomes {name}: {recipe.NAME_RULE}")


def _complaints_about_format(output: recipe.Format, table: Table) -> Iterator[Complaint]:
    for key, value in table.items():
        if output not in KEYS[key].formats:
            yield Complaint(key, value, f"not for {output}; only for {', '.join(sorted(KEYS[key].formats))}")
    efforts = recipe.EFFORTS[output]
    if (effort := table.get("effort")) is not None and effort not in efforts:
        yield Complaint("effort", effort, f"a whole number from {efforts[0]} to {efforts[-1]} for {output}")
    for key in ("quality", "target", "max_bytes"):
        if table.get("lossless") is True and key in table:
            yield Complaint(key, table[key], "a lossless variant has no quality")
    for key in ("target", "max_bytes"):
        if table.get("animated") is True and key in table:
            yield Complaint(key, table[key], "an animation has a fixed quality")
    if "target" in table and "quality" in table:
        yield Complaint("quality", table["quality"], "not beside a target, which decides the quality")
