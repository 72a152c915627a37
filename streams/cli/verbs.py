"""The table of verbs, and the group that imports a verb's module only when it is the one asked for.

`darkroom --help` shows every verb from this table alone, so it is quick however heavy the verbs are.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

USE = "Use"
RUN = "Run"
MANAGE = "Manage"


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its module in ``streams.cli`` has a Typer ``app``."""

    name: str
    panel: str
    summary: str

    @property
    def module(self) -> str:
        """The module to import."""
        return f"streams.cli.{self.name}"


VERBS = (
    Verb("demo", USE, "Try everything in one process: photographs in, variants and a contact sheet out."),
    Verb("publish", USE, "Publish images: files, folders, globs, or objects already in a bucket."),
    Verb("watch", USE, "Show ready and failed events as they come."),
    Verb("get", USE, "Show an image's variants and where they are."),
    Verb("delete", USE, "Delete images with every variant."),
    Verb("parked", USE, "List or retry the events that a subscriber parked."),
    Verb("worker", RUN, "Run one worker."),
    Verb("status", RUN, "Show topics, lag by partition and group members."),
    Verb("topics", MANAGE, "Create or check the topics."),
    Verb("schemas", MANAGE, "Register, check or list the event schemas."),
    Verb("recipes", MANAGE, "List, show, lint, explain or preview recipes."),
    Verb("verify", MANAGE, "Render a sample again and compare it with what is stored."),
    Verb("offsets", MANAGE, "Set, show or rebuild the workers' positions."),
)


class LazyGroup(TyperGroup):
    """A group whose commands are known by name and summary, and imported when run."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  Typer's own attributes, handed on
        super().__init__(**attributes)
        self.commands = {verb.name: command for verb, command in _stubs()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  Typer's vendored types
        """Find the verb asked for and import what it really is."""
        name, stub, rest = super().resolve_command(ctx, args)
        verb = next((verb for verb in VERBS if verb.name == name), None)
        return name, stub if verb is None else _load(verb), rest


def _stubs() -> Iterator[tuple[Verb, TyperCommand]]:
    for verb in VERBS:
        yield verb, TyperCommand(verb.name, help=verb.summary, rich_help_panel=verb.panel, callback=None)


def _load(verb: Verb) -> Any:  # noqa: ANN401  Typer's vendored types
    command = typer.main.get_command(import_module(verb.module).app)
    command.name = verb.name
    return command
