"""The keys of the recipe language: which values each takes by itself.

Keys that must go together are ``processors.recipe_checks``; the values they become ``processors.recipe_specs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeGuard

from processors import recipe
from processors import recipe_words as words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

Table = dict[str, object]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One key that can't stay as it is."""

    key: str
    value: object
    """None: the key is missing."""
    allowed: str


_PART: Final = 4
_ALL: Final = frozenset(recipe.Format)
_JPEG, _WEBP, _AVIF = recipe.Format.JPEG, recipe.Format.WEBP, recipe.Format.AVIF
_CARRIERS: Final = _ALL - {recipe.Format.GIF}
"""Formats with room for a profile and metadata."""
_LOSSY: Final = frozenset(kind for kind in recipe.Format if kind.has_quality)


@dataclass(frozen=True, slots=True)
class Key:
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


def is_whole(value: object, numbers: range) -> bool:
    """Whether the value is a whole number of the range."""
    return type(value) is int and value in numbers  # TOML's true would pass for 1


def _is_flag(value: object) -> bool:
    return type(value) is bool


def _is_part(value: object) -> bool:
    numbers = isinstance(value, list) and len(value) == _PART and all(type(one) in {int, float} for one in value)
    return numbers and recipe.is_part(part_of(value))


def _is_within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and least <= value <= most


def _is_target(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"ssim"} and _is_within(value["ssim"], *_SSIMS)


def _is_condition(value: object) -> bool:
    known = isinstance(value, dict) and bool(value) and set(value) <= set(_CONDITIONS)
    return known and isinstance(value, dict) and all(_CONDITIONS[key](each) for key, each in value.items())


def _are_ratios(value: object) -> bool:
    whole = isinstance(value, list) and value and all(is_whole(one, words.RATIOS) for one in value)
    return bool(whole) and isinstance(value, list) and len(set(value)) == len(value)


def part_of(value: object) -> recipe.Part:
    """Return four numbers as a part of a picture."""
    left, top, width, height = (float(one) for one in value) if isinstance(value, list) else (0.0, 0.0, 1.0, 1.0)
    return left, top, width, height


def _words(enum: type[StrEnum]) -> tuple[Callable[[object], bool], str]:
    known = [str(member) for member in enum]
    return (lambda value: value in known), "one of " + ", ".join(f'"{word}"' for word in known)


_SSIMS: Final = (words.LEAST_SSIM, words.MOST_SSIM)
_CONDITIONS: Final[Mapping[str, Callable[[object], bool]]] = MappingProxyType(
    {
        "shape": lambda value: value in list(recipe.Shape),
        "wider_than": lambda value: is_whole(value, range(1_000_000)),
        "taller_than": lambda value: is_whole(value, range(1_000_000)),
        "animated": _is_flag,
    }
)
_SIDE: Final = Key(lambda value: is_whole(value, range(1, recipe.MAX_SIDE + 1)), f"pixels from 1 to {recipe.MAX_SIDE}")
_FLAG: Final = "true or false"
KEYS: Final[Mapping[str, Key]] = MappingProxyType(
    {
        "name": Key(lambda value: is_text(value) and recipe.is_name(value), recipe.NAME_RULE),
        "format": Key(*_words(recipe.Format)),
        "width": _SIDE,
        "height": _SIDE,
        "fit": Key(*_words(recipe.Fit)),
        "gravity": Key(*_words(recipe.Gravity)),
        "upscale": Key(_is_flag, _FLAG),
        "background": Key(_is_colour, 'a colour such as "#ffffff"'),
        "quality": Key(
            lambda value: is_whole(value, recipe.QUALITIES),
            "a whole number from 1 to 100",
            _LOSSY,
            per_format=True,
        ),
        "effort": Key(
            lambda value: is_whole(value, range(100)),
            "a whole number from 0; the highest depends on the format",
            per_format=True,
        ),
        "lossless": Key(_is_flag, _FLAG, frozenset({_WEBP}), per_format=True),
        "animated": Key(_is_flag, _FLAG, words.MOVING, per_format=True),
        "progressive": Key(_is_flag, _FLAG, frozenset({_JPEG}), per_format=True),
        "chroma": Key(*_words(recipe.Chroma), frozenset({_JPEG, _AVIF}), per_format=True),
        "metadata": Key(*_words(recipe.Metadata), _CARRIERS),
        "crop": Key(_is_part, "[left, top, width, height] as fractions of the picture, all of it inside"),
        "trim": Key(
            lambda value: _is_flag(value) or is_whole(value, words.THRESHOLDS), "true, false, or steps from 0 to 255"
        ),
        "rotate": Key(lambda value: is_whole(value, range(271)) and value in words.ROTATIONS, "0, 90, 180 or 270"),
        "flip": Key(*_words(recipe.Flip)),
        "min_width": _SIDE,
        "min_height": _SIDE,
        "max_pixels": Key(
            lambda value: is_whole(value, range(1, words.MAX_PIXELS + 1)), f"pixels from 1 to {words.MAX_PIXELS}"
        ),
        "profile": Key(*_words(recipe.Profile), _CARRIERS),
        "blur": Key(
            lambda value: _is_within(value, words.MIN_SIGMA, words.MAX_SIGMA),
            f"pixels from {words.MIN_SIGMA} to {words.MAX_SIGMA}",
        ),
        "sharpen": Key(
            lambda value: _is_within(value, 0, words.MAX_SHARPEN), f"a number from 0 to {words.MAX_SHARPEN}"
        ),
        "grey": Key(_is_flag, _FLAG),
        "palette": Key(_is_flag, _FLAG, frozenset({recipe.Format.PNG}), per_format=True),
        "target": Key(_is_target, f"{{ ssim = {words.LEAST_SSIM} to {words.MOST_SSIM} }}", _LOSSY),
        "max_bytes": Key(
            lambda value: is_whole(value, range(1, words.MAX_BYTES + 1)), f"bytes from 1 to {words.MAX_BYTES}", _LOSSY
        ),
        "when": Key(_is_condition, f"a table of {', '.join(_CONDITIONS)}; shapes are {', '.join(recipe.Shape)}"),
        "dpr": Key(_are_ratios, "a list of different whole numbers from 1 to 5"),
    }
)
DEFAULTS_KEYS: Final = tuple(key for key in KEYS if key != "name")
