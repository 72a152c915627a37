"""`darkroom offsets`: where the workers' group stands on the inputs, and where it is to begin.

Changes are only possible while the group has no member: a running worker would commit over them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.record import TopicPartition
from streams.adapters.kafka_answers import read_answered
from streams.adapters.kafka_groups import topic_ids, write_positions
from streams.cli.failures import CommandError, Exit, named_services, usage
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from
from streams.compose.services import (
    kafka_properties,
    make_admin,
    make_codec,
    make_topic_admin,
    make_topics,
    reach_kafka,
)
from streams.runtime.offset_map import UnreadableMapError, decode, encode
from streams.runtime.ports import Position
from streams.runtime.rebuild import Rebuilt
from streams.runtime.rebuild import rebuild as remake

if TYPE_CHECKING:
    from streams.adapters.kafka_offsets import GroupPosition, Start

app = typer.Typer(
    no_args_is_help=True,
    help="Set, show or rebuild the positions of the workers' group.",
    epilog="Examples: darkroom offsets init --to latest · darkroom offsets init --to 2026-05-01T00:00:00Z --force",
)
ToOption = Annotated[str, typer.Option("--to", metavar="earliest|latest|TIME", help="TIME in ISO 8601; UTC if unsaid.")]
RepeatsOption = Annotated[bool, typer.Option("--accept-repeats", help="Answer again what no map can hold.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Also where there is a position already.")]


@app.command()
def init(to: ToOption, force: ForceOption = False, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Commit a position wherever the group has none, or one that the log no longer reaches back to."""
    settings = settings_from(config)
    offsets = make_topic_admin(settings).offsets(settings.kafka.group)
    names = [topic.name for topic in make_topics(settings).inputs]
    start = _start(to)
    with named_services(settings):
        reach_kafka(settings)
        done = offsets.initialise(names, start, overwrite=force)
    for at in done:
        if as_json:
            emit({"topic": at.topic, "partition": at.partition, "offset": at.offset, "was": at.was})
        else:
            was = "no position" if at.was is None else str(at.was)
            out().print(f"{at.topic}[{at.partition}]  {was} -> {at.offset}", markup=False)
    if not done and not as_json:
        out().print("every partition has a position; --force overwrites them")


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every input partition: position, what is finished beyond it (the map), lag."""
    settings = settings_from(config)
    names = [topic.name for topic in make_topics(settings).inputs]
    with named_services(settings):
        reach_kafka(settings)
        positions = make_topic_admin(settings).offsets(settings.kafka.group).show(names)
        ids = topic_ids(make_admin(settings, patient=True), names)
    rows = [_row(at, ids[at.topic]) for at in positions]
    if as_json:
        for row in rows:
            emit(row)
        return
    from rich.table import Table  # noqa: PLC0415  only this verb draws

    table = Table("partition", "position", "start", "end", "lag", "done beyond", "map", box=None, pad_edge=False)
    for row in rows:
        name = f"{row['topic']}\\[{row['partition']}]"
        cells = (row[key] for key in ("position", "start", "end", "lag", "done_beyond", "map"))
        table.add_row(name, *("-" if cell is None else str(cell) for cell in cells))
    out().print(table)


@app.command()
def rebuild(accept: RepeatsOption = False, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Make every position and map again from the answers that are committed; only while the workers are stopped.

    For maps that cannot be read, or belong to another topic: an input is done exactly if an answer names it.
    """
    settings = settings_from(config)
    topics = make_topics(settings)
    names = [topic.name for topic in topics.inputs]
    with named_services(settings):
        reach_kafka(settings)
        admin = make_admin(settings, patient=True)
        offsets = make_topic_admin(settings).offsets(settings.kafka.group)
        offsets.demand_idle()
        outputs = offsets.show([topic.name for topic in topics.outputs])
        ends = {TopicPartition(at.topic, at.partition): (at.start, at.end) for at in outputs}
        answered = read_answered(kafka_properties(settings), make_codec(settings, topics), ends)
        ids = topic_ids(admin, names)
        found = {
            TopicPartition(at.topic, at.partition): remake(
                ids[at.topic], at.start, at.end, answered.get(TopicPartition(at.topic, at.partition), ())
            )
            for at in offsets.show(names)
        }
        repeats = sum(each.beyond for each in found.values())
        if repeats and not accept:
            lines = f"{repeats} inputs were answered beyond what a map can hold, and would be answered again"
            raise CommandError(Exit.FAILED, lines, "  with the same event ids: accept it with --accept-repeats")
        write_positions(admin, settings.kafka.group, {at: _position(each) for at, each in found.items()})
    for at, each in found.items():
        row = {"topic": at.topic, "partition": at.partition, "position": each.map.base}
        row["done_beyond"] = len(each.map.done)
        if as_json:
            emit(row)
        else:
            out().print(f"{at.topic}[{at.partition}]  {each.map.base}, {len(each.map.done)} beyond", markup=False)


def _position(rebuilt: Rebuilt) -> Position:
    return Position(rebuilt.map.base, encode(rebuilt.map))


def _start(text: str) -> Start:
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise usage(f"--to {text}: neither earliest, latest nor a time such as 2026-05-01T12:00:00Z") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _row(at: GroupPosition, topic_id: bytes) -> dict[str, Any]:
    done, state = None, "none"
    if at.offset is not None:
        try:
            found = decode(at.metadata, topic_id, at.offset)
        except UnreadableMapError as error:
            state = f"unreadable: {error}"
        else:
            done, state = len(found.done), f"{len(at.metadata)} characters" if at.metadata else "empty"
    return {
        "topic": at.topic,
        "partition": at.partition,
        "position": at.offset,
        "start": at.start,
        "end": at.end,
        "lag": at.lag,
        "done_beyond": done,
        "map": state,
    }
