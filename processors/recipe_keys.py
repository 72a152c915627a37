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


@dataclass(frozen=True, slots=True)
class _Key:
    """What one key takes."""

    accepts: Callable[[object], bool]
    allowed: str
    formats: frozenset[recipe.Format] = frozenset(recipe.Format)
    """The output formats for which the key means something."""

    @property
    def of_all_formats(self) -> bool:
        """False for a key whose meaning depends on the format, such as the quality."""
        return self.formats == frozenset(recipe.Format) and self.allowed != _EFFORT


_EFFORT: Final = "a whole number from 0; the highest depends on the format"


def _whole(numbers: range, what: str) -> _Key:
    return _Key(lambda value: type(value) is int and value in numbers, f"{what} from {numbers[0]} to {numbers[-1]}")


def _one_of(enum: type[StrEnum], *formats: recipe.Format) -> _Key:
    words = [str(member) for member in enum]
    return _Key(
        lambda value: value in words,
        "one of " + ", ".join(f'"{word}"' for word in words),
        frozenset(formats or recipe.Format),
    )


def _flag(*formats: recipe.Format) -> _Key:
    return _Key(lambda value: type(value) is bool, "true or false", frozenset(formats or recipe.Format))


def is_text(value: object) -> TypeGuard[str]:
    """Whether the value is a string."""
    return isinstance(value, str)


_JPEG, _WEBP, _AVIF = recipe.Format.JPEG, recipe.Format.WEBP, recipe.Format.AVIF
_SIDE: Final = _whole(range(1, recipe.MAX_SIDE + 1), "pixels")
_QUALITY: Final = _whole(recipe.QUALITIES, "a whole number")
KEYS: Final[Mapping[str, _Key]] = MappingProxyType(
    {
        "name": _Key(lambda value: is_text(value) and recipe.is_name(value), recipe.NAME_RULE),
        "format": _one_of(recipe.Format),
        "width": _SIDE,
        "height": _SIDE,
        "fit": _one_of(recipe.Fit),
        "gravity": _one_of(recipe.Gravity),
        "upscale": _flag(),
        "background": _Key(
            lambda value: is_text(value) and recipe.is_colour(value.lower()), 'a colour such as "#ffffff"'
        ),
        "quality": _Key(_QUALITY.accepts, _QUALITY.allowed, frozenset({_JPEG, _WEBP, _AVIF})),
        "effort": _Key(lambda value: type(value) is int and value >= 0, _EFFORT),
        "lossless": _flag(_WEBP),
        "progressive": _flag(_JPEG),
        "chroma": _one_of(recipe.Chroma, _JPEG, _AVIF),
        "metadata": _one_of(recipe.Metadata),
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
        if not KEYS[key].of_all_formats:
            yield Complaint(key, value, "needs a format beside it in [defaults]: it means something else for each")


def inherit(table: Table, defaults: Table) -> Table:
    """Return the table with the defaults that apply to it; keys that depend on the format come only with their own."""
    same_format = table.get("format", defaults.get("format")) == defaults.get("format")
    inherited = {key: value for key, value in defaults.items() if same_format or KEYS[key].of_all_formats}
    if table.get("lossless") is True:
        inherited.pop("quality", None)
    return inherited | table


def complaints_about_variant(table: Table) -> Iterator[Complaint]:
    """Look at keys that must go together; every key by itself is known to be right."""
    for key in ("name", "format"):
        if key not in table:
            yield Complaint(key, None, KEYS[key].allowed)
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
