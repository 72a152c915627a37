"""How render children word their answers, both ends together: written in the child, read with distrust by the parent.

JSON and raw bytes, never pickle: what was said beside hostile pixels may be said by them. Whatever the parent builds
keys or headers from is checked: variants are the recipe's, types are those that exist, numbers are numbers.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from processors.facts import Facts
from processors.ports import Rendered, RenderedVariant
from processors.recipe import QUALITIES, Format, is_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processors.recipe import Recipe
    from streams.runtime.pool import Answer

_THUMBHASH: Final = 64
"""Bytes that no thumbhash exceeds."""
_PERCEPTUAL: Final = re.compile(r"[0-9a-f]{16}")
_MISSED: Final = frozenset({"", "target", "max_bytes"})
_TYPES: Final = frozenset((each.content_type, each.extension) for each in Format)


def write_facts(facts: Facts) -> tuple[bytes, Sequence[bytes]]:
    """Return the head and parts that say ``facts``."""
    return json.dumps(asdict(facts)).encode(), ()


def read_facts(answer: Answer) -> Facts:
    """Read what `write_facts` wrote. Raise ValueError, KeyError or TypeError for anything else."""
    said = json.loads(answer.head)
    values: dict[str, Any] = {name: _of(kind, said[name]) for name, kind in get_type_hints(Facts).items()}
    facts = Facts(**values)
    if min(facts.width, facts.height, facts.frames, facts.decoded_bytes) < 1:
        raise ValueError("an image of nothing")
    return facts


def write_rendered(rendered: Rendered) -> tuple[bytes, Sequence[bytes]]:
    """Return the head and parts that say ``rendered``: a part is a variant's bytes."""
    head = {
        "variants": [
            [each.name, each.content_type, each.extension, each.width, each.height, each.quality, each.missed]
            for each in rendered.variants
        ],
        "thumbhash": rendered.thumbhash.hex(),
        "dominant_colour": rendered.dominant_colour,
        "perceptual_hash": rendered.perceptual_hash,
    }
    return json.dumps(head).encode(), [each.data for each in rendered.variants]


def read_rendered(answer: Answer, recipe: Recipe) -> Rendered:
    """Read what `write_rendered` wrote for ``recipe``. Raise ValueError, KeyError or TypeError for anything else."""
    said = json.loads(answer.head)
    variants = tuple(
        RenderedVariant(
            name, bytes(part), content_type, extension, _side(width), _side(height), _quality(quality), missed
        )
        for (name, content_type, extension, width, height, quality, missed), part in zip(
            said["variants"], answer.parts, strict=True
        )
    )
    if [each.name for each in variants] != [each.name for each in recipe.variants]:
        raise ValueError("not the recipe's variants")
    if not all((each.content_type, each.extension) in _TYPES and each.data for each in variants):
        raise ValueError("an unknown type, or no bytes")
    if any(each.missed not in _MISSED for each in variants):
        raise ValueError("an unknown shortfall")
    thumbhash, colour = bytes.fromhex(said["thumbhash"]), said["dominant_colour"]
    if len(thumbhash) > _THUMBHASH or not is_colour(colour):
        raise ValueError("an impossible thumbhash or colour")
    alike = said["perceptual_hash"]
    if type(alike) is not str or (alike and not _PERCEPTUAL.fullmatch(alike)):
        raise ValueError("an impossible perceptual hash")
    return Rendered(variants, thumbhash, colour, alike)


def _of(kind: type, value: object) -> object:
    """Return ``value`` as a ``kind``; JSON knows enums as strings, and Python takes True for an int."""
    if kind in {int, bool, str}:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is no {kind.__name__}")
        return value
    return kind(value)


def _quality(value: object) -> int | None:
    if value is not None and (type(value) is not int or value not in QUALITIES):
        raise ValueError(f"{value!r} is no quality")
    return value


def _side(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no length in pixels")
    return value
