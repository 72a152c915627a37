"""Recipes are read from TOML, and whatever is wrong is said at once, with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processors.recipe import Fit, Format, Gravity, Metadata
from processors.recipe_file import RecipeError, load_folder, load_recipe, parse_recipe

if TYPE_CHECKING:
    from pathlib import Path

_LADDER = """
description = "two widths"

[defaults]
format = "webp"
quality = 70
gravity = "focus"

[[variant]]
name = "small"
width = 320

[[variant]]
name = "card"
format = "jpeg"   # of another format: the default quality of webp does not apply
width = 1200
height = 630
fit = "fill"
background = "#FFEEDD"
metadata = "keep"
"""


def problems_of(text: str, name: str = "r") -> list[tuple[int, str, object]]:
    """Return line, key and value of everything that is wrong."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, name=name, file="r.toml")
    return [(problem.line, problem.key, problem.value) for problem in caught.value.problems]


def test_values_come_from_the_variant_then_the_defaults_then_the_language() -> None:
    """A variant's own keys win; what depends on the format is inherited only by variants of that format."""
    recipe = parse_recipe(_LADDER, name="news", file="news.toml")
    small, card = recipe.variants
    assert (recipe.name, recipe.description) == ("news", "two widths")
    assert (small.format, small.quality, small.effort, small.width, small.height) == (Format.WEBP, 70, 2, 320, None)
    assert (small.fit, small.gravity, small.upscale) == (Fit.FIT, Gravity.FOCUS, False)
    assert (card.format, card.quality, card.effort, card.fit) == (Format.JPEG, 80, 1, Fit.FILL)
    assert (card.background, card.metadata, card.gravity) == ("#ffeedd", Metadata.KEEP, Gravity.FOCUS)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("quality = 0", ("quality", 0)),
        ("quality = 101", ("quality", 101)),
        ("quality = true", ("quality", True)),
        ("quality = 80.5", ("quality", 80.5)),
        ("width = 0", ("width", 0)),
        ("width = -5", ("width", -5)),
        ("height = 16384", ("height", 16384)),
        ('width = "640"', ("width", "640")),
        ("effort = 7", ("effort", 7)),
        ("effort = -1", ("effort", -1)),
        ('fit = "squash"', ("fit", "squash")),
        ('fit = "fill"', ("width", None)),
        ('gravity = "middle"', ("gravity", "middle")),
        ('background = "white"', ("background", "white")),
        ('chroma = "444"', ("chroma", "444")),
        ("progressive = true", ("progressive", True)),
        ('metadata = "gps"', ("metadata", "gps")),
        ("upscale = 1", ("upscale", 1)),
        ("colour = [1, 2]", ("colour", [1, 2])),
        ("crop = [0.5, 0, 0.6, 1]", ("crop", [0.5, 0, 0.6, 1])),
        ("crop = [0, 0, 1]", ("crop", [0, 0, 1])),
        ("crop = [0, 0, true, 1]", ("crop", [0, 0, True, 1])),
        ("crop = [0, 0, 0, 1]", ("crop", [0, 0, 0, 1])),
        ('profile = "p3"', ("profile", "p3")),
        ('grey = true\nprofile = "keep"', ("profile", "keep")),
        ("blur = 0.2", ("blur", 0.2)),
        ("blur = true", ("blur", True)),
        ("blur = 101", ("blur", 101)),
        ("sharpen = 5.5", ("sharpen", 5.5)),
        ("sharpen = -1", ("sharpen", -1)),
        ("grey = 1", ("grey", 1)),
        ("palette = true", ("palette", True)),
        ("max_bytes = 0", ("max_bytes", 0)),
        ("target = 0.98", ("target", 0.98)),
        ("target = { ssim = 1.0 }", ("target", {"ssim": 1.0})),
        ("target = { psnr = 40 }", ("target", {"psnr": 40})),
        ("target = { ssim = 0.98 }\nquality = 70", ("quality", 70)),
        ("lossless = true\nmax_bytes = 9", ("max_bytes", 9)),
        ("when = {}", ("when", {})),
        ("when = { animated = 1 }", ("when", {"animated": 1})),
        ('when = { shape = "round" }', ("when", {"shape": "round"})),
        ("when = { wider_than = -1 }", ("when", {"wider_than": -1})),
        ("when = { wider_than = 9, mood = 3 }", ("when", {"wider_than": 9, "mood": 3})),
        ("trim = 256", ("trim", 256)),
        ("trim = -1", ("trim", -1)),
        ("rotate = 45", ("rotate", 45)),
        ("rotate = true", ("rotate", True)),
        ('flip = "both"', ("flip", "both")),
        ("min_width = 0", ("min_width", 0)),
        ("max_pixels = 0", ("max_pixels", 0)),
        ('fit = "pad"', ("height", None)),
        ("dpr = []", ("dpr", [])),
        ("dpr = [6]", ("dpr", [6])),
        ("dpr = [1, 1]", ("dpr", [1, 1])),
        ("dpr = 2", ("dpr", 2)),
        ("dpr = [2]", ("dpr", [2])),
    ],
)
def test_a_bad_value_is_refused_with_its_line(line: str, wrong: tuple[str, object]) -> None:
    """Impossible sizes, bad qualities, unknown words and unknown keys are refused, naming line, key and value."""
    text = f'[[variant]]\nname = "a"\nformat = "webp"\n\n{line}\n'
    found = problems_of(text)
    expected_line = 1 if wrong[1] is None else 5 + line[: line.find(wrong[0])].count("\n")
    assert (expected_line, *wrong) in found


@pytest.mark.parametrize("name", ["", "A", "ä", "a/b", "..", "-a", "a" * 41, "a b", "a.b"])
def test_a_name_that_does_not_belong_in_an_object_key_is_refused(name: str) -> None:
    """Names of variants and of recipes keep to a small set of characters and 40 of them."""
    assert problems_of(f'[[variant]]\nname = "{name}"\nformat = "png"\n') == [(2, "name", name)]
    assert problems_of('[[variant]]\nname = "a"\nformat = "png"\n', name) == [(1, "file name", name)]


def test_all_mistakes_are_listed_at_once_in_the_order_of_their_lines() -> None:
    """Whoever wrote the file gets everything in one go, also where strings and arrays span lines."""
    text = """\
colour = 1
description = \"""
width = 0
\"""
[defaults]
format = "webp"
foo = [
  1,
]
[[variant]]
# a comment
name = "A B"
[[variant]]
name = "x"
width = 0
[[variant]]
name = "x"
"""
    expected = [(1, "colour", 1), (7, "foo", [1]), (12, "name", "A B"), (15, "width", 0), (17, "name", "x")]
    assert problems_of(text) == expected
    assert problems_of(text.replace("\n", "\r\n")) == expected


def test_what_is_missing_is_listed_beside_what_is_wrong() -> None:
    """A variant without name and format, and with a bad width, has three mistakes."""
    assert problems_of("\n[[variant]]\nwidth = 0\n") == [(2, "name", None), (2, "format", None), (3, "width", 0)]


def test_the_message_says_what_is_allowed() -> None:
    """One line a problem: file, line, key, value, and what would have been right."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe('[[variant]]\nname = "a"\nformat = "bmp"\n', name="r", file="r.toml")
    assert str(caught.value) == 'r.toml:3: format = \'bmp\': one of "jpeg", "webp", "avif", "png", "gif"'


def test_text_that_is_not_toml_is_refused_at_its_line() -> None:
    """The line of tomllib's message arrives, also at the end of the file."""
    assert problems_of('description = "x"\na = = 1\n') == [(2, "TOML", "a = = 1")]
    assert problems_of('x = """\n\n')[0][:2] == (3, "TOML")


@pytest.mark.parametrize("text", ["", "variant = 3", "variant = []", 'variant = ["a"]', "[variant]\nname = 'a'"])
def test_a_recipe_without_variants_is_refused(text: str) -> None:
    """There must be at least one [[variant]] table."""
    assert problems_of(text)[0][1] == "variant"


@pytest.mark.parametrize("value", ["[]", "{}", "[[1]]", "1", "nan", "1979-05-27"])
@pytest.mark.parametrize("key", ["name", "format", "width", "fit", "background", "quality", "lossless", "metadata"])
def test_no_type_of_value_gets_past_the_checks(key: str, value: str) -> None:
    """A value of any TOML type under any key is accepted or refused, never a crash."""
    keys = {"name": '"a"', "format": '"webp"'} | {key: value}
    text = "[[variant]]\n" + "".join(f"{name} = {given}\n" for name, given in keys.items())
    if (key, value) in {("width", "1"), ("quality", "1")}:
        parse_recipe(text, name="r", file="r.toml")
    else:
        assert key in [found[1] for found in problems_of(text)]


def test_keys_that_depend_on_the_format_need_one_in_the_defaults() -> None:
    """A quality for every format alike would mean something else for each."""
    text = '[defaults]\nquality = 60\n[[variant]]\nname = "a"\nformat = "webp"\n'
    assert problems_of(text) == [(2, "quality", 60)]


def test_a_lossless_variant_has_no_quality() -> None:
    """Lossless WebP and PNG come without; a default quality is dropped, an explicit one refused."""
    head = '[defaults]\nformat = "webp"\nquality = 60\n[[variant]]\nname = "a"\nlossless = true\n'
    assert parse_recipe(head, name="r", file="").variants[0].quality is None
    assert problems_of(head + "quality = 50\n") == [(7, "quality", 50)]
    assert problems_of('[[variant]]\nname = "a"\nformat = "png"\nquality = 50\n') == [(4, "quality", 50)]


def test_the_shipped_recipes_are_there_and_a_folder_of_ones_own_wins(tmp_path: Path) -> None:
    """web, avatar and social are shipped; a file of the same name replaces one, others are added."""
    own = '[[variant]]\nname = "only"\nformat = "png"\n'
    (tmp_path / "web.toml").write_text(own)
    (tmp_path / "print.toml").write_text(own)
    (tmp_path / "README.md").write_text("no recipe")
    assert sorted(load_folder(None)) == ["avatar", "social", "web"]
    recipes = load_folder(tmp_path)
    assert sorted(recipes) == ["avatar", "print", "social", "web"]
    assert [variant.name for variant in recipes["web"].variants] == ["only"]


def test_the_mistakes_of_all_files_of_a_folder_are_listed_together(tmp_path: Path) -> None:
    """One bad file does not hide another's mistakes, nor a byte that is not UTF-8, nor a file of absurd size."""
    (tmp_path / "a.toml").write_text("x = 1")
    (tmp_path / "b.toml").write_bytes(b'description = "\n\xff"')
    (tmp_path / "c.toml").write_text("#" * 70_000)
    with pytest.raises(RecipeError) as caught:
        load_folder(tmp_path)
    found = [(problem.file.rsplit("/", 1)[-1], problem.line, problem.key) for problem in caught.value.problems]
    assert found == [
        ("a.toml", 1, "x"),
        ("a.toml", 1, "variant"),
        ("b.toml", 2, "encoding"),
        ("c.toml", 1, "size"),
    ]


def test_a_missing_folder_or_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    """A mistyped folder is not taken for an empty one."""
    with pytest.raises(OSError, match="no directory"):
        load_folder(tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        load_recipe(tmp_path / "missing.toml")


def test_device_pixel_ratios_make_a_variant_each() -> None:
    """Sizes are multiplied, the area by the square; everything else is the same."""
    text = """
[defaults]
format = "webp"
dpr = [1, 2, 3]
[[variant]]
name = "tile"
width = 400
height = 300
fit = "fill"
[[variant]]
name = "line"
width = 100
min_height = 20
max_pixels = 9000
dpr = [2]
"""
    variants = parse_recipe(text, name="r", file="").variants
    assert [(each.name, each.width, each.height) for each in variants] == [
        ("tile", 400, 300),
        ("tile-2x", 800, 600),
        ("tile-3x", 1200, 900),
        ("line-2x", 200, None),
    ]
    assert (variants[3].min_height, variants[3].max_pixels, variants[0].fit) == (40, 36_000, Fit.FILL)


def test_a_ratio_that_does_not_work_out_is_refused() -> None:
    """A side past the largest, a name that is too long or taken, more variants than a recipe may have."""
    head = '[[variant]]\nformat = "png"\ndpr = [1, 3]\n'
    assert problems_of(head + 'name = "a"\nwidth = 6000\n') == [(5, "width", 6000)]
    name = "a" * 39
    assert problems_of(head + f'name = "{name}"\nwidth = 6\n') == [(4, "name", name)]
    twice = head + 'name = "a"\nwidth = 6\n[[variant]]\nname = "a-3x"\nformat = "png"\n'
    assert problems_of(twice) == [(7, "name", "a-3x")]
    many = "".join(f'[[variant]]\nname = "v{n}"\nformat = "png"\nwidth = 9\ndpr = [1, 2]\n' for n in range(33))
    assert problems_of(many) == [(1, "variant", 66)]


def test_a_minimum_belongs_to_a_fit_that_leaves_the_size_open() -> None:
    """The others say it already."""
    head = '[[variant]]\nname = "a"\nformat = "png"\nwidth = 9\nheight = 9\nfit = "fill"\n'
    assert problems_of(head + "min_width = 5\nmax_pixels = 8\n") == [(7, "min_width", 5), (8, "max_pixels", 8)]


def test_trim_is_a_threshold_or_the_usual_one() -> None:
    """And false takes it back where the defaults have it."""
    head = '[defaults]\nformat = "png"\ntrim = true\n[[variant]]\nname = "a"\n'
    assert parse_recipe(head, name="r", file="").variants[0].trim == 10
    assert parse_recipe(head + "trim = 3\n", name="r", file="").variants[0].trim == 3
    assert parse_recipe(head + "trim = false\n", name="r", file="").variants[0].trim is None


def test_a_recipe_has_one_variant_for_every_source() -> None:
    """If each had a condition, some image might end with none."""
    one = '[[variant]]\nname = "a"\nformat = "png"\nwhen = { shape = "square" }\n'
    assert problems_of(one) == [(4, "when", "on every variant")]
    assert len(parse_recipe(one + '[[variant]]\nname = "b"\nformat = "png"\n', name="r", file="").variants) == 2


def test_a_target_and_a_quality_replace_each_other() -> None:
    """What a variant says itself wins over what it would inherit."""
    head = '[defaults]\nformat = "webp"\n%s\n[[variant]]\nname = "a"\n%s\n'
    searched = parse_recipe(head % ("quality = 60", "target = { ssim = 0.9 }"), name="r", file="").variants[0]
    fixed = parse_recipe(head % ("target = { ssim = 0.9 }", "quality = 60"), name="r", file="").variants[0]
    assert (searched.target_ssim, fixed.target_ssim, fixed.quality) == (0.9, None, 60)
