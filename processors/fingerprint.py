"""What identifies a rendering: the same fingerprint means the same variants for the same source bytes.

It covers the recipe's variants, the attributes that they read and the renderer's revision, nothing else: not the
recipe's name or description, not the order of keys or variants, not the machine, not the versions of the libraries.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from processors.recipe import When

if TYPE_CHECKING:
    from processors.recipe import Recipe, VariantSpec
    from schemas.events import Attributes

RENDERER_REVISION: Final = 2
"""Raised by hand whenever the goldens change, that is, when the same recipe yields other pixels than before."""

HEX_DIGITS: Final = 16


def fingerprint(recipe: Recipe, attributes: Attributes, *, revision: int = RENDERER_REVISION) -> str:
    """Return 16 lower-case hex digits."""
    canonical = {
        "revision": revision,
        "variants": [_canonical(variant) for variant in sorted(recipe.variants, key=lambda variant: variant.name)],
        "focus": _focus(attributes) if recipe.reads_focus else None,
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()[:HEX_DIGITS]


def _canonical(variant: VariantSpec) -> dict[str, Any]:
    """Leave out what has its default, so that a key which a later release adds changes no old fingerprint."""
    values = {field.name: getattr(variant, field.name) for field in fields(variant)}
    required = {field.name for field in fields(variant) if field.default is MISSING}
    defaults = {field.name: field.default for field in fields(variant) if field.name not in required}
    wanted = {name: value for name, value in values.items() if name in required or value != defaults[name]}
    return {name: asdict(value) if isinstance(value, When) else value for name, value in wanted.items()}


def _focus(attributes: Attributes) -> str | None:
    """Round to 1/10000 of the image, so that no platform's way of printing a float gets in."""
    return None if attributes.focus is None else f"{attributes.focus.x:.4f},{attributes.focus.y:.4f}"
