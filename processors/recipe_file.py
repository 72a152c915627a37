"""Recipes from TOML files: validated values, or one error that lists everything that is wrong, line by line.

The name of a recipe is the name of its file. What the keys take is ``processors.recipe_keys``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from processors import recipe, recipe_checks, recipe_keys, recipe_specs
from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from processors.recipe_keys import Complaint, Table

_TOP_KEYS: Final = ("description", "defaults", "variant")
_MAX_BYTES: Final = 65_536
_Key = str | int
_Found = tuple[tuple[_Key, ...], "Complaint"]
"""Where in the document, and what."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a recipe file."""

    file: str
    line: int
    """1-based; 1 where the whole file is meant."""
    key: str
    value: object
    """None: the key is missing."""
    allowed: str
    """What would have been right."""

    def __str__(self) -> str:
        what = f"{self.key} is missing" if self.value is None else f"{self.key} = {_shown(self.value)}"
        return f"{self.file}:{self.line}: {what}: {self.allowed}"


class RecipeError(DarkroomError):
    """Recipe files that can't be used; ``problems`` lists all that is wrong, in file and line order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_folder(folder: Path | None) -> Mapping[str, recipe.Recipe]:
    """Return the shipped recipes by name, and those of ``folder``, which win; raise `RecipeError` or `OSError`."""
    with resources.as_file(resources.files("processors") / "recipes") as shipped:
        paths = {path.stem: path for path in sorted(shipped.glob("*.toml"))}
    paths |= {path.stem: path for path in _listed(folder)} if folder else {}
    recipes, problems = {}, list[Problem]()
    for name, path in sorted(paths.items()):
        try:
            recipes[name] = load_recipe(path)
        except RecipeError as error:
            problems.extend(error.problems)
    if problems:
        raise RecipeError(tuple(problems))
    return MappingProxyType(recipes)


def load_recipe(path: Path) -> recipe.Recipe:
    """Read one recipe; raise `RecipeError`, or `OSError` if the file can't be read."""
    file, raw = str(path), path.read_bytes()
    if len(raw) > _MAX_BYTES:
        raise RecipeError((Problem(file, 1, "size", len(raw), f"a recipe has at most {_MAX_BYTES} bytes"),))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RecipeError((Problem(file, line, "encoding", error.reason, "TOML is UTF-8"),)) from error
    return parse_recipe(text, name=path.stem, file=file)


def parse_recipe(text: str, *, name: str, file: str) -> recipe.Recipe:
    """Make a recipe of TOML text; ``file`` is only what errors call it. Raise `RecipeError`."""
    text = text.replace("\r\n", "\n")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError((_syntax_problem(text, file, str(error)),)) from error
    found = list(_all_complaints(document))
    if not recipe.is_name(name):
        found.insert(0, ((), recipe_keys.Complaint("file name", name, recipe.NAME_RULE)))
    if found:
        raise RecipeError(tuple(sorted(_located(found, text, file), key=lambda problem: problem.line)))
    defaults, tables = _table(document, "defaults"), _tables(document)
    specs = [spec for table in tables for spec in recipe_specs.variant_specs(recipe_specs.inherit(table, defaults))]
    return recipe.Recipe(name, tuple(specs), str(document.get("description", "")))


def _listed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotADirectoryError(f"the recipe folder {folder} is no directory")
    return sorted(folder.glob("*.toml"))


def _all_complaints(document: Table) -> Iterator[_Found]:
    """Yield everything that is wrong; what depends on other keys is looked at only once those are right."""
    wrong_shapes = list(_complaints_about_shape(document))
    yield from wrong_shapes
    if any(path and path[0] in {"defaults", "variant"} for path, _ in wrong_shapes):
        return
    defaults = _table(document, "defaults")
    wrong = [*recipe_checks.complaints_about_keys(defaults, recipe_keys.DEFAULTS_KEYS)]
    wrong = wrong or [*recipe_checks.complaints_about_defaults(defaults)]
    yield from ((("defaults", complaint.key), complaint) for complaint in wrong)
    yield from _complaints_about_variants(_tables(document), None if wrong else defaults)


def _complaints_about_variants(tables: list[Table], defaults: Table | None) -> Iterator[_Found]:
    """Look at every variant; at what it inherits and what must go together only where the defaults are right."""
    first: dict[str, int] = {}
    for index, table in enumerate(tables):
        complaints = [*recipe_checks.complaints_about_keys(table, tuple(recipe_keys.KEYS))]
        whole = table if complaints or defaults is None else recipe_specs.inherit(table, defaults)
        if defaults is not None:
            missing = recipe_checks.complaints_about_missing(recipe_specs.inherit(table, defaults))
            checks = () if complaints else recipe_checks.complaints_about_variant(whole)
            complaints += [*missing, *checks]
        complaints += _complaints_about_twins(whole, index, first)
        yield from ((("variant", index, complaint.key), complaint) for complaint in complaints)
    if tables and all("when" in recipe_specs.inherit(table, defaults or {}) for table in tables):
        text = "one variant at least without a condition, so that no image ends with none"
        yield ("variant", 0, "when"), recipe_keys.Complaint("when", "on every variant", text)
    if len(first) > recipe.MAX_VARIANTS:
        text = f"at most {recipe.MAX_VARIANTS}, each device-pixel ratio counted"
        yield ("variant",), recipe_keys.Complaint("variant", len(first), text)


def _complaints_about_twins(table: Table, index: int, first: dict[str, int]) -> Iterator[Complaint]:
    """Look for names that an earlier variant has; ``first`` says which has what, and learns."""
    for name in recipe_specs.names_of(table) if "name" in table else ():
        if (twin := first.setdefault(name, index)) != index:
            yield recipe_keys.Complaint("name", table["name"], f"a name of its own; variant {twin + 1} has {name}")
            return


def _complaints_about_shape(document: Table) -> Iterator[_Found]:
    for key, value in document.items():
        if key not in _TOP_KEYS:
            allowed = "unknown key; allowed are description, [defaults] and [[variant]]"
            yield (key,), recipe_keys.Complaint(key, value, allowed)
    if not isinstance(document.get("description", ""), str):
        yield ("description",), recipe_keys.Complaint("description", document["description"], "a text")
    if not isinstance(document.get("defaults", {}), dict):
        yield ("defaults",), recipe_keys.Complaint("defaults", document["defaults"], "a table: [defaults]")
    variants = document.get("variant")
    is_list = isinstance(variants, list) and all(isinstance(table, dict) for table in variants)
    if not is_list or not 1 <= len(_tables(document)) <= recipe.MAX_VARIANTS:
        allowed = f"1 to {recipe.MAX_VARIANTS} tables, each starting with [[variant]]"
        value = len(variants) if isinstance(variants, list) else variants
        yield ("variant",), recipe_keys.Complaint("variant", value, allowed)


def _table(document: Table, key: str) -> Table:
    value = document.get(key, {})
    return value if isinstance(value, dict) else {}


def _tables(document: Table) -> list[Table]:
    value = document.get("variant", [])
    return [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []


def _located(found: Iterable[_Found], text: str, file: str) -> Iterator[Problem]:
    lines = _lines_of_keys(text)
    for path, complaint in found:
        line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 1)
        yield Problem(file, line, complaint.key, complaint.value, complaint.allowed)


def _lines_of_keys(text: str) -> dict[tuple[_Key, ...], int]:
    """Map every path of the document to its line: tomllib keeps no positions, nor does any TOML library we know of.

    A statement is the shortest run of lines that parses by itself; strings and arrays over several lines are thus
    never taken apart. The text is known to parse as a whole.
    """
    lines, start, context = text.split("\n"), 0, tuple[_Key, ...]()
    found: dict[tuple[_Key, ...], int] = {}
    tables: dict[str, int] = {}
    for end in range(1, len(lines) + 1):
        try:
            parsed = tomllib.loads("\n".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
        for key, value in parsed.items():
            if not lines[start].lstrip().startswith("["):
                found.setdefault((*context, key), start + 1)
                continue
            index = tables[key] = tables.get(key, -1) + 1
            context = (key, index) if isinstance(value, list) else (key,)
            found.setdefault((key,), start + 1)
            found.setdefault(context, start + 1)
        start = end
    return found


def _syntax_problem(text: str, file: str, message: str) -> Problem:
    """Take the line out of tomllib's message: it has no field for it before Python 3.14."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    lines = text.split("\n")
    shown = lines[line - 1].strip() if line <= len(lines) else ""
    return Problem(file, line, "TOML", shown, message[: place.start()] if place else message)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a line of a terminal
