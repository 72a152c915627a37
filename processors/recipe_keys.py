"""The keys of the recipe language: which values each takes, and how a table of them becomes a `VariantSpec`.

This knows tables of plain values, not files or lines; ``processors.recipe_file`` adds those.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeGuard

from processors import recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from enum import StrEnum

Table = dict[str, object]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One key that can't stay as it is."""

    key: str
    value: object
    """None: the key is missing."""
    allowed: str


_ALL: Final = frozenset(recipe.Format)
_JPEG, _WEBP, _AVIF = recipe.Format.JPEG, recipe.Format.WEBP, recipe.Format.AVIF


@dataclass(frozen=True, slots=True)
class _Key:
    """What one key takes."""

    accepts: Callable[[object], bool]
    allowed: str
    formats: frozenset[recipe.Format] = _ALL
    """The output formats for which the key means something."""
    per_format: bool = False
    """Whether the same value means something else for each format: such a default is inherited within its format."""


def is_text(value: object) -> TypeGuard[str]:
    """Whether the value is a string."""
    return isinstance(value, str)


def _is_colour(value: object) -> bool:
    return is_text(value) and recipe.is_colour(value.lower())


def _is_whole(value: object, numbers: range) -> bool:
    return type(value) is int and value in numbers  # TOML's true would pass for 1


def _is_flag(value: object) -> bool:
    return type(value) is bool


def _words(enum: type[StrEnum]) -> tuple[Callable[[object], bool], str]:
    words = [str(member) for member in enum]
    return (lambda value: value in words), "one of " + ", ".join(f'"{word}"' for word in words)


_SIDE: Final = _Key(
    lambda value: _is_whole(value, range(1, recipe.MAX_SIDE + 1)), f"pixels from 1 to {recipe.MAX_SIDE}"
)
_FLAG: Final = "true or false"
KEYS: Final[Mapping[str, _Key]] = MappingProxyType(
    {
        "name": _Key(lambda value: is_text(value) and recipe.is_name(value), recipe.NAME_RULE),
        "format": _Key(*_words(recipe.Format)),
        "width": _SIDE,
        "height": _SIDE,
        "fit": _Key(*_words(recipe.Fit)),
        "gravity": _Key(*_words(recipe.Gravity)),
        "upscale": _Key(_is_flag, _FLAG),
        "background": _Key(_is_colour, 'a colour such as "#ffffff"'),
        "quality": _Key(
            lambda value: _is_whole(value, recipe.QUALITIES),
            "a whole number from 1 to 100",
            _ALL - {recipe.Format.PNG},
            per_format=True,
        ),
        "effort": _Key(
            lambda value: _is_whole(value, range(100)),
            "a whole number from 0; the highest depends on the format",
            per_format=True,
        ),
        "lossless": _Key(_is_flag, _FLAG, frozenset({_WEBP}), per_format=True),
        "progressive": _Key(_is_flag, _FLAG, frozenset({_JPEG}), per_format=True),
        "chroma": _Key(*_words(recipe.Chroma), frozenset({_JPEG, _AVIF}), per_format=True),
        "metadata": _Key(*_words(recipe.Metadata)),
    }
)
DEFAULTS_KEYS: Final = tuple(key for key in KEYS if key != "name")


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


def inherit(table: Table, defaults: Table) -> Table:
    """Return the table with the defaults that apply to it; keys that depend on the format come only with their own."""
    same_format = table.get("format", defaults.get("format")) == defaults.get("format")
    inherited = {key: value for key, value in defaults.items() if same_format or not KEYS[key].per_format}
    if table.get("lossless") is True:
        inherited.pop("quality", None)
    return inherited | table


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
    if fit != recipe.Fit.FIT:
        for key in ("width", "height"):
            if key not in table:
                yield Complaint(key, None, f'fit = "{fit}" needs width and height')


def _complaints_about_format(output: recipe.Format, table: Table) -> Iterator[Complaint]:
    for key, value in table.items():
        if output not in KEYS[key].formats:
            yield Complaint(key, value, f"not for {output}; only for {', '.join(sorted(KEYS[key].formats))}")
    efforts = recipe.EFFORTS[output]
    if (effort := table.get("effort")) is not None and effort not in efforts:
        yield Complaint("effort", effort, f"a whole number from {efforts[0]} to {efforts[-1]} for {output}")
    if table.get("lossless") is True and "quality" in table:
        yield Complaint("quality", table["quality"], "a lossless variant has no quality")


def variant_spec(table: Table) -> recipe.VariantSpec:
    """Make the value of a table about which there were no complaints."""
    output = recipe.Format(_text(table, "format"))
    lossless = table.get("lossless") is True
    quality = None if lossless else table.get("quality", recipe.DEFAULT_QUALITY.get(output))
    effort = table.get("effort", recipe.DEFAULT_EFFORT[output])
    background = table.get("background")
    return recipe.VariantSpec(
        name=_text(table, "name"),
        format=output,
        quality=_number(quality),
        effort=_number(effort) or 0,
        width=_number(table.get("width")),
        height=_number(table.get("height")),
        fit=recipe.Fit(_text(table, "fit", recipe.Fit.FIT)),
        gravity=recipe.Gravity(_text(table, "gravity", recipe.Gravity.CENTER)),
        upscale=table.get("upscale") is True,
        background=background.lower() if is_text(background) else None,
        lossless=lossless,
        progressive=table.get("progressive") is True,
        chroma=recipe.Chroma(_text(table, "chroma", recipe.Chroma.HALF)),
        metadata=recipe.Metadata(_text(table, "metadata", recipe.Metadata.STRIP)),
    )


def _text(table: Table, key: str, default: str = "") -> str:
    return str(table.get(key, default))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
