"""Tables of the recipe language become values: defaults inherited, device-pixel ratios multiplied out.

Only for tables about which ``processors.recipe_checks`` had no complaints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processors import recipe
from processors import recipe_words as words
from processors.recipe_keys import KEYS, Table, is_text, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_QUALITY: Final = ("quality", "target", "max_bytes")
_MULTIPLIED: Final = ("width", "height", "min_width", "min_height")


def inherit(table: Table, defaults: Table) -> Table:
    """Return the table with the defaults that apply to it; keys that depend on the format come only with their own."""
    same_format = table.get("format", defaults.get("format")) == defaults.get("format")
    output = table.get("format", defaults.get("format"))
    inherited = {
        key: value
        for key, value in defaults.items()
        if same_format or not (KEYS[key].per_format or output not in KEYS[key].formats)
    }
    if table.get("lossless") is True:
        for key in _OF_QUALITY:
            inherited.pop(key, None)
    if table.get("animated") is True:
        for key in ("target", "max_bytes"):
            inherited.pop(key, None)
    for key, other in (("target", "quality"), ("quality", "target")):
        if key in table:
            inherited.pop(other, None)
    return inherited | table


def names_of(table: Table) -> list[str]:
    """Return the names of the variants that a table makes: one, or one for each device-pixel ratio."""
    name = text_of(table, "name")
    return [name if ratio == 1 else f"{name}-{ratio}x" for ratio in ratios_of(table)]


def ratios_of(table: Table) -> list[int]:
    """Return the device-pixel ratios that a table is for."""
    ratios = table.get("dpr")
    return [ratio for ratio in ratios if isinstance(ratio, int)] if isinstance(ratios, list) else [1]


def variant_specs(table: Table) -> Iterator[recipe.VariantSpec]:
    """Make the values of a table about which there were no complaints."""
    for name, ratio in zip(names_of(table), ratios_of(table), strict=True):
        own = table | {"name": name}
        for key in _MULTIPLIED:
            if side := number(table.get(key)):
                own[key] = side * ratio
        if blur := _real(table.get("blur")):
            own["blur"] = min(blur * ratio, words.MAX_SIGMA)
        if area := number(table.get("max_pixels")):
            own["max_pixels"] = min(area * ratio**2, words.MAX_PIXELS)
        yield _variant_spec(own)


def _variant_spec(table: Table) -> recipe.VariantSpec:
    output = recipe.Format(text_of(table, "format"))
    lossless = table.get("lossless") is True
    quality = None if lossless else table.get("quality", recipe.DEFAULT_QUALITY.get(output))
    effort = table.get("effort", recipe.DEFAULT_EFFORT[output])
    background = table.get("background")
    return recipe.VariantSpec(
        name=text_of(table, "name"),
        format=output,
        quality=number(quality),
        effort=number(effort) or 0,
        width=number(table.get("width")),
        height=number(table.get("height")),
        fit=recipe.Fit(text_of(table, "fit", recipe.Fit.FIT)),
        gravity=recipe.Gravity(text_of(table, "gravity", recipe.Gravity.CENTER)),
        upscale=table.get("upscale") is True,
        background=background.lower() if is_text(background) else None,
        lossless=lossless,
        progressive=table.get("progressive") is True,
        chroma=recipe.Chroma(text_of(table, "chroma", recipe.Chroma.HALF)),
        metadata=recipe.Metadata(text_of(table, "metadata", recipe.Metadata.STRIP)),
        crop=part_of(table["crop"]) if "crop" in table else None,
        trim=_threshold(table.get("trim")),
        rotate=number(table.get("rotate")) or 0,
        flip=recipe.Flip(text_of(table, "flip", recipe.Flip.NONE)),
        min_width=number(table.get("min_width")),
        min_height=number(table.get("min_height")),
        max_pixels=number(table.get("max_pixels")),
        profile=recipe.Profile(text_of(table, "profile", recipe.Profile.SRGB)),
        blur=_real(table.get("blur")),
        sharpen=_real(table.get("sharpen")),
        grey=table.get("grey") is True,
        palette=table.get("palette") is True,
        target_ssim=_target(table.get("target")),
        max_bytes=number(table.get("max_bytes")),
        when=_when(table.get("when")),
        animated=table.get("animated") is True,
    )


def text_of(table: Table, key: str, default: str = "") -> str:
    """Return a key's value as text."""
    return str(table.get(key, default))


def _target(value: object) -> float | None:
    return _real(value["ssim"]) if isinstance(value, dict) else None


def _when(value: object) -> recipe.When | None:
    if not isinstance(value, dict):
        return None
    shape, animated = value.get("shape"), value.get("animated")
    return recipe.When(
        shape=recipe.Shape(shape) if shape else None,
        wider_than=number(value.get("wider_than")),
        taller_than=number(value.get("taller_than")),
        animated=animated if isinstance(animated, bool) else None,
    )


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _threshold(value: object) -> int | None:
    return words.DEFAULT_THRESHOLD if value is True else None if value is False else number(value)


def number(value: object) -> int | None:
    """Return a whole number, or None for anything else."""
    return value if isinstance(value, int) else None
