"""`darkroom parked`: events that a subscriber group could not handle, to look at and to put back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.failures import named_services, usage
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from
from streams.client.errors import RefusedError
from streams.client.parked import create_parked_topic, list_parked, put_back
from streams.compose.client import make_parts

if TYPE_CHECKING:
    from streams.client.parking import Parked
    from streams.client.parts import Parts

app = typer.Typer(
    no_args_is_help=True,
    help="List or retry what a subscriber group parked: events it tried several times and could not handle.",
    epilog="Examples: darkroom parked list shop · darkroom parked retry shop 0-17 · darkroom parked retry shop --all",
)
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The subscriber's group.")]
PlacesArgument = Annotated[list[str] | None, typer.Argument(metavar="PLACE...", help="As `parked list` shows them.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every parked event.")]


@app.command("list")
def list_(group: GroupArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what is parked and was not put back since, oldest first."""
    settings = settings_from(config)
    with named_services(settings):
        found = _parked(make_parts(settings), group)
    for each in found:
        if as_json:
            emit(_plain(each))
        else:
            row = _plain(each)
            out().print(
                f"{row['place']}  {row['image']}  {row['parked_at']}  after {each.attempts} tries: {row['error']}"
            )
    if not found and not as_json:
        out().print(f"nothing is parked for {group}")


@app.command()
def create(group: GroupArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Make the group's parked topic, for subscribers that may not make topics themselves."""
    settings = settings_from(config)
    with named_services(settings):
        topic = create_parked_topic(make_parts(settings), group)
    if as_json:
        emit({"group": group, "topic": topic})
    else:
        out().print(f"[green]✓[/] {topic}")


@app.command()
def retry(
    group: GroupArgument,
    places: PlacesArgument = None,
    everything: AllOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put parked events back: they are delivered again, to this group only."""
    wanted = set(places or ())
    if bool(wanted) == everything:
        raise usage("name places, or say --all")
    settings = settings_from(config)
    with named_services(settings):
        parts = make_parts(settings)
        found = [each for each in _parked(parts, group) if everything or each.place in wanted]
        unknown = wanted - {each.place for each in found}
        if unknown:
            raise usage(f"not parked: {', '.join(sorted(unknown))}")
        count = put_back(parts, group, found)
    if as_json:
        emit({"group": group, "put_back": count})
    else:
        out().print(f"{count} put back")


def _parked(parts: Parts, group: str) -> list[Parked]:
    """Return what is parked; nothing where no subscriber of this group ever ran."""
    try:
        return list_parked(parts, group)
    except RefusedError as error:
        if error.code == "UNKNOWN_TOPIC_OR_PART":
            return []
        raise


def _plain(each: Parked) -> dict[str, object]:
    letter = each.letter
    return {
        "place": each.place,
        "image": f"{each.tenant}/{each.image_id}",
        "event_id": each.event_id,
        "from": f"{letter.topic}[{letter.partition}]@{letter.offset}",
        "stage": letter.stage,
        "error": letter.message,
        "attempts": each.attempts,
        "parked_at": datetime.fromtimestamp(each.parked_at_ms / 1000, UTC).isoformat(timespec="seconds"),
    }
