"""docs/recipes.md says what the code does: its example is a recipe, its tables are complete and true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from processors.geometry import Size
from processors.layout import lay_out
from processors.recipe import DEFAULT_EFFORT, DEFAULT_QUALITY, Fit
from processors.recipe_file import parse_recipe
from processors.recipe_keys import KEYS
from tests.processors.builders import spec

_TEXT = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its head."""
    section = _TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_example_is_a_recipe() -> None:
    """As printed."""
    example = re.search(r"```toml\n(.*?)```", _TEXT, re.DOTALL)
    assert example
    assert len(parse_recipe(example[1], name="product", file="docs/recipes.md").variants) == 3


def test_every_key_is_documented_with_its_defaults() -> None:
    """And no key that does not exist."""
    table = {name: row for row in rows("Keys") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(table) == {"description", *KEYS}
    qualities = ", ".join(f"{kind.name if kind != 'webp' else 'WebP'} {q}" for kind, q in DEFAULT_QUALITY.items())
    assert table["quality"][3] == qualities
    assert table["effort"][3] == ", ".join(str(effort) for effort in DEFAULT_EFFORT.values())
    for key in ("fit", "gravity", "flip", "format", "metadata", "chroma"):
        for word in re.findall(r'"([\w-]+)"', KEYS[key].allowed):
            assert f'"{word}"' in table[key][2]


@pytest.mark.parametrize("row", rows("Ways to fit"))
def test_the_sizes_in_the_table_of_fits_are_true(row: list[str]) -> None:
    """Large source, small source, small source enlarged."""
    fit = Fit(row[0].strip('`"'))
    sources = ((Size(4000, 3000), False), (Size(300, 200), False), (Size(300, 200), True))
    for (source, upscale), promised in zip(sources, row[1:4], strict=True):
        variant = spec(width=600, height=600, fit=fit, upscale=upscale)
        assert str(lay_out(source, variant, None).size) == promised
