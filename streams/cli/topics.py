"""`darkroom topics`: make the topics with the group's first positions, compare them with the catalogue, grow them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams.adapters.kafka_topics import KeyOrderError
from streams.cli.failures import CommandError, Exit, named_services
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from
from streams.compose.services import make_topic_admin, make_topics, reach_kafka

if TYPE_CHECKING:
    from streams.adapters.kafka_topics import Created

app = typer.Typer(
    no_args_is_help=True,
    help="Create, check or grow the topics; how they should be stands in the settings, section topics.",
    epilog="Examples: darkroom topics create · darkroom topics check (exit code 1 on any difference)",
)
AcceptOption = Annotated[
    bool, typer.Option("--accept-order-break", help="Growing moves keys: their order breaks at the seam.")
]


@app.command()
def create(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Create what is missing and commit the group's first positions (the beginning); change nothing that exists."""
    settings = settings_from(config)
    topics = make_topics(settings)
    with named_services(settings):
        reach_kafka(settings)
        created = make_topic_admin(settings).create(topics.all, inputs=topics.inputs, group=settings.kafka.group)
    _tell(created, as_json=as_json)


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Name each difference between topics as they are and as the settings want them; exit code 1 if there is one."""
    settings = settings_from(config)
    topics = make_topics(settings)
    with named_services(settings):
        reach_kafka(settings)
        differences = make_topic_admin(settings).check(topics.all, inputs=topics.inputs)
    for one in differences:
        if as_json:
            emit({"where": one.where, "setting": one.setting, "found": one.found, "wanted": one.wanted})
        else:
            out().print(f"[red]✗[/] {one}")
    if differences:
        raise typer.Exit(Exit.FAILED)
    if not as_json:
        out().print(f"[green]✓[/] {len(topics.all)} topics are as they should be")


@app.command()
def grow(accept: AcceptOption = False, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Give every topic as many partitions as topics.partitions says; only while the workers are stopped."""
    settings = settings_from(config)
    topics = make_topics(settings)
    admin = make_topic_admin(settings)
    inputs = set(topics.inputs)
    with named_services(settings):
        reach_kafka(settings)
        for topic in topics.all:
            group = settings.kafka.group if topic in inputs else None
            try:
                _tell(admin.grow(topic, group=group, accept_order_break=accept), as_json=as_json)
            except KeyOrderError as error:
                raise CommandError(Exit.FAILED, str(error), "  accept it with --accept-order-break") from error


def _tell(created: Created, *, as_json: bool) -> None:
    if as_json:
        places = [{"topic": at.topic, "partition": at.partition, "offset": at.offset} for at in created.positions]
        emit({"topics": list(created.topics), "positions": places})
        return
    for name in created.topics:
        out().print(f"[green]✓[/] {name}")
    if created.positions:
        out().print(f"first positions committed on {len(created.positions)} partitions")
    if not created.topics and not created.positions:
        out().print("nothing to do")
