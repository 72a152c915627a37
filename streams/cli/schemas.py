"""`darkroom schemas`: the event schemas in the registry. Registering is an operator's step, never a worker's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.adapters.registry import IncompatibleError
from streams.cli.failures import CommandError, Exit, named_services
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from
from streams.compose.services import make_registry, make_topics

if TYPE_CHECKING:
    from schemas.topics import Topics
    from streams.adapters.registry import Registry
    from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Register, check or list the event schemas. Subjects are named TOPIC-RECORD and keep FULL_TRANSITIVE: "
    "every event ever written stays readable.",
    epilog="Examples: darkroom schemas register · darkroom schemas check (exit code 1 on any difference)",
)
AllOption = Annotated[bool, typer.Option("--all", help="Other projects' subjects too.")]


@app.command()
def register(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Set every subject's compatibility and register what is missing; nothing is written if one conflicts."""
    registry, topics, settings = _open(config)
    with named_services(settings):
        try:
            done = registry.register_all(topics.all)
        except IncompatibleError as error:
            raise CommandError(Exit.FAILED, *(f"{error.subject}: {problem}" for problem in error.problems)) from error
    for one in done:
        if as_json:
            emit({"subject": one.subject, "schema_id": one.schema_id, "new": one.new})
        else:
            out().print(f"{one.subject}  id {one.schema_id}  {'registered' if one.new else 'was there'}")


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare the registry with what this release needs, field by field; exit code 1 on any difference."""
    registry, topics, settings = _open(config)
    with named_services(settings):
        results = registry.check_all(topics.all)
    for result in results:
        if as_json:
            emit({"subject": result.subject, "ok": not result.problems, "problems": list(result.problems)})
        elif result.problems:
            for problem in result.problems:
                out().print(f"[red]✗[/] {result.subject}: {problem}")
        else:
            out().print(f"[green]✓[/] {result.subject}")
    if any(result.problems for result in results):
        raise typer.Exit(Exit.FAILED)


@app.command("list")
def list_(
    everything: AllOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the registered subjects with their versions and compatibility."""
    registry, topics, settings = _open(config)
    with named_services(settings):
        found = registry.list_subjects(None if everything else topics.all)
    for subject in found:
        if as_json:
            emit({"subject": subject.name, "versions": list(subject.versions), "compatibility": subject.compatibility})
        else:
            versions = ", ".join(str(version) for version in subject.versions)
            out().print(f"{subject.name}  versions {versions}  {subject.compatibility or 'no level of its own'}")


def _open(config: Path | None) -> tuple[Registry, Topics, Settings]:
    settings = settings_from(config)
    return make_registry(settings), make_topics(settings), settings
