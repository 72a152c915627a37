"""Find the configuration file, merge it with the environment, and validate; every problem is reported at once.

Search order: the path given, ``$DARKROOM_CONFIG``, ``.darkroom/local.toml`` here or in a folder above (what `just up`
writes), ``darkroom.toml`` here. Relative paths in a file are relative to that file.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic_settings
from pydantic import ValidationError

from schemas.errors import DarkroomError
from streams.settings import table
from streams.settings.root import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

NOT_SETTINGS = ("DARKROOM_CONFIG", "DARKROOM_TEST_", "DARKROOM_CORPUS")
"""Variables (or their beginnings) that share the prefix but are read elsewhere."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration."""

    field: str
    value: str
    """As it was given; secrets are masked."""
    origin: str
    """The file or the environment variable that says so."""
    message: str
    remedy: str

    def __str__(self) -> str:
        given = f" = {self.value}" if self.value else ""
        return f"{self.field}{given} ({self.origin}): {self.message}. {self.remedy}"


class SettingsError(DarkroomError):
    """The configuration cannot be used; ``problems`` has all of it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings and where they came from."""

    settings: Settings
    file: Path | None


def load(config: Path | None = None) -> Loaded:
    """Return the settings, or raise `SettingsError` with every problem of file and environment together."""
    file = find_file(config)
    origin = _Origin(file, os.environ)
    raw = _absolute_paths(_read(file), file.parent) if file else {}
    problems = list(_unknown_variables(os.environ))
    try:
        settings = Settings(**raw)
    except ValidationError as error:
        problems += _problems(error, origin)
    except pydantic_settings.SettingsError as error:
        problems.append(Problem("environment", "", "environment", str(error), "Write the value as JSON."))
    if problems:
        raise SettingsError(problems)
    return Loaded(settings, file)


def find_file(config: Path | None) -> Path | None:
    """Return the configuration file that counts, or None; raise if one was named that is not there."""
    for named, by in ((config, "--config"), (_from_environment(), "DARKROOM_CONFIG")):
        if named is not None:
            if not named.is_file():
                raise SettingsError([Problem(by, str(named), by, "there is no such file", "Name a TOML file.")])
            return named.absolute()
    here = Path.cwd()
    candidates = [folder / ".darkroom" / "local.toml" for folder in (here, *here.parents)] + [here / "darkroom.toml"]
    return next((path for path in candidates if path.is_file()), None)


def _from_environment() -> Path | None:
    named = os.environ.get("DARKROOM_CONFIG")
    return Path(named) if named else None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(str(file), "", str(file), f"not TOML: {error}", "Mend the file.")]) from error
    except OSError as error:
        raise SettingsError([Problem(str(file), "", str(file), str(error), "Make it readable.")]) from error


def _absolute_paths(raw: dict[str, Any], folder: Path, prefix: str = "") -> dict[str, Any]:
    known = table.by_name()
    resolved: dict[str, Any] = {}
    for key, value in raw.items():
        row = known.get(f"{prefix}{key}")
        if isinstance(value, dict) and row is None:
            resolved[key] = _absolute_paths(value, folder, f"{prefix}{key}.")
        else:
            resolved[key] = str(folder / value) if row and row.path and isinstance(value, str) else value
    return resolved


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Find variables that look like ours but belong to no section (inside a section the model finds them)."""
    sections = tuple(f"DARKROOM_{name.upper()}" for name in Settings.model_fields)
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith("DARKROOM_") or upper.startswith(NOT_SETTINGS):
            continue
        if upper not in sections and not upper.startswith(tuple(f"{section}__" for section in sections)):
            near = get_close_matches(upper, [row.env for row in table.rows()], 1, 0.6)
            remedy = f"Did you mean {near[0]}?" if near else "Unset it; docs/configuration.md lists every variable."
            yield Problem(name, "", "environment", "no such setting", remedy)


@dataclass(frozen=True, slots=True)
class _Origin:
    file: Path | None
    environ: Mapping[str, str]

    def of(self, field: str) -> str:
        variable = "DARKROOM_" + field.upper().replace(".", "__")
        upper = {name.upper() for name in self.environ}
        while variable != "DARKROOM":
            if variable in upper:
                return variable
            variable = variable.rpartition("__")[0] or "DARKROOM"
        return str(self.file or "defaults")


def _problems(error: ValidationError, origin: _Origin) -> Iterator[Problem]:
    seen: set[str] = set()
    for details in error.errors(include_url=False):
        field = _field(details)
        if field not in seen:  # a union reports once for each of its members
            seen.add(field)
            yield _problem(field, details, origin)


def _field(details: ErrorDetails) -> str:
    name = ".".join(str(part) for part in details["loc"] if not isinstance(part, int))
    if details["type"] == "extra_forbidden":
        return name
    while name not in table.by_name() and "." in name:
        name = name.rpartition(".")[0]
    return name


def _problem(field: str, details: ErrorDetails, origin: _Origin) -> Problem:
    row = table.by_name().get(field)
    hidden = row is None or row.secret or row.kind == "table" or details["input"] is None
    value = "" if hidden else repr(details["input"])
    if details["type"] == "extra_forbidden":
        return Problem(field, "", origin.of(field), "no such setting", _nearest(field))
    context = details.get("ctx", {})
    remedy = str(context.get("remedy", "")) or _remedy(field, row)
    return Problem(field, value, origin.of(field), details["msg"], remedy[:1].upper() + remedy[1:] + ".")


def _remedy(field: str, row: table.Row | None) -> str:
    if row is None:
        return f"{field} is a table: write [{field}] and its settings below it"
    if row.kind == "table":
        return "every value in it is a text, a number, true or false"
    unit = f" ({row.unit})" if row.unit else ""
    default = f"; the default is {row.default}" if row.default else ""
    return f"give {row.kind}{unit}{default}"


def _nearest(field: str) -> str:
    names = list(table.by_name()) if "." in field else list(Settings.model_fields)
    near = get_close_matches(field, names, 1, 0.75)
    leaf = field.rpartition(".")[2]
    near = near or [name for name in names if name.rpartition(".")[2] == leaf]
    near = near or get_close_matches(field, names, 1, 0.6)
    return f"Did you mean {near[0]}?" if near else "Remove it; docs/configuration.md lists every setting."
