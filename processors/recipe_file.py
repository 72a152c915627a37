"""Recipes from TOML files: validated values, or one error that lists everything that is wrong, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from processors.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a recipe file."""

    file: str
    line: int
    """1-based; 0 where the whole file is meant."""
    key: str
    value: object
    allowed: str
    """What would have been right."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key} = {self.value!r}: {self.allowed}"


class RecipeError(DarkroomError):
    """Recipe files that can't be used; ``problems`` lists all that is wrong, in file and line order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_recipe(path: Path) -> Recipe:
    """Read one recipe; raise `RecipeError`, or `OSError` if the file can't be read."""
    raise NotImplementedError


def load_folder(folder: Path | None) -> Mapping[str, Recipe]:
    """Return the shipped recipes by name, and those of ``folder``, which win; raise `RecipeError` or `OSError`."""
    raise NotImplementedError
