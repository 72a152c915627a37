"""One image through one recipe, on this machine alone: inspected and rendered as a worker would, nothing published.

Whatever parses the file runs in the worker's own contained children; here are only the values that they answer with.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.errors import Permanent, Unavailable
from streams.cli.failures import CommandError, Exit
from streams.compose.renderer import make_renderer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processors.facts import Facts
    from processors.ports import Rendered
    from processors.recipe import Recipe
    from schemas.events import Attributes
    from streams.settings import Settings


def inspected(settings: Settings, file: Path) -> Facts:
    """Return what a worker's inspector says of the file."""
    with _refusals(file), make_renderer(settings, alone=True) as renderer:
        return renderer.inspect(file.read_bytes())


def tried(settings: Settings, file: Path, recipe: Recipe, attributes: Attributes) -> tuple[Facts, Rendered]:
    """Return what a worker's inspector says of the file, and what its renderer makes of it."""
    data = file.read_bytes()
    with _refusals(file), make_renderer(settings, alone=True) as renderer:
        facts = renderer.inspect(data)
        return facts, renderer.render(data, facts, recipe, attributes)


@contextmanager
def _refusals(file: Path) -> Iterator[None]:
    try:
        yield
    except Permanent as error:
        raise CommandError(Exit.FAILED, f"{file}: {error.reason}: {error.detail}") from error
    except Unavailable as error:
        raise CommandError(Exit.FAILED, f"the {error.service} cannot start", str(error)) from error
