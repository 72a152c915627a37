"""`darkroom status`: the topics, how far the workers are behind on each partition, and who the workers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.adapters.health import HealthError, ask_worker
from streams.adapters.kafka_groups import describe_group
from streams.cli.failures import named_services
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from
from streams.compose.services import make_admin, make_topic_admin, make_topics, reach_kafka

if TYPE_CHECKING:
    from streams.adapters.kafka_groups import Group
    from streams.adapters.kafka_offsets import GroupPosition

app = typer.Typer()
WorkerOption = Annotated[
    list[str] | None,
    typer.Option("--worker", metavar="HOST:PORT", help="Ask this worker's http port for its state too; repeatable."),
]


@app.command(epilog="Example: darkroom status --worker 10.0.0.7:8080")
def status(config: ConfigOption = None, worker: WorkerOption = None, as_json: JsonOption = False) -> None:
    """Show topics, lag by partition and group members; with --worker also what these workers are doing.

    Lag counts offsets: commit markers take some too, so an idle partition need not show 0.
    """
    settings = settings_from(config)
    topics = make_topics(settings)
    with named_services(settings):
        reach_kafka(settings)
        admin = make_admin(settings, patient=True)
        group = describe_group(admin, settings.kafka.group)
        offsets = make_topic_admin(settings).offsets(settings.kafka.group)
        inputs = offsets.show([topic.name for topic in topics.inputs])
        outputs = offsets.show([topic.name for topic in topics.outputs])
    workers = {address: _ask(address) for address in worker or ()}
    if as_json:
        emit({**_as_json(group, inputs, outputs), **({"workers": workers} if workers else {})})
    else:
        _draw(group, inputs, outputs)
        for address, said in workers.items():
            out().print(f"worker {address}: {_in_a_line(said)}", markup=False)


def _ask(address: str) -> dict[str, Any]:
    try:
        return dict(ask_worker(address))
    except HealthError as error:
        return {"ready": False, "reason": str(error)}


def _in_a_line(said: dict[str, Any]) -> str:
    if "state" not in said:
        return f"no answer ({said['reason']})"
    why = f": {said['why']}" if said.get("why") else ""
    remedy = f"; {said['do']}" if said.get("do") else ""
    return f"{said['state']} for {said['for_s']:.0f} s{why}{remedy}; {said['held']} records held"


def _as_json(group: Group, inputs: list[GroupPosition], outputs: list[GroupPosition]) -> dict[str, Any]:
    return {
        "group": group.name,
        "state": group.state,
        "lag": sum(at.lag or 0 for at in inputs),
        "members": [
            {
                "client": each.client_id,
                "host": each.host,
                "partitions": [f"{p.topic}[{p.partition}]" for p in each.partitions],
            }
            for each in group.members
        ],
        "inputs": [
            {"topic": at.topic, "partition": at.partition, "position": at.offset, "end": at.end, "lag": at.lag}
            for at in inputs
        ],
        "outputs": [{"topic": at.topic, "partition": at.partition, "end": at.end} for at in outputs],
    }


def _draw(group: Group, inputs: list[GroupPosition], outputs: list[GroupPosition]) -> None:
    from rich.table import Table  # noqa: PLC0415  only this verb draws

    console = out()
    holders = {at: number for number, each in enumerate(group.members, 1) for at in each.partitions}
    console.print(f"[bold]group {group.name}[/]: {group.state}, {len(group.members)} members")
    for number, each in enumerate(group.members, 1):
        console.print(f"  {number}  {each.client_id} on {each.host}: {len(each.partitions)} partitions")
    table = Table("partition", "position", "end", "lag", "member", box=None, pad_edge=False)
    for at in inputs:
        if at.end > at.start or at.lag:
            member = next((str(n) for place, n in holders.items() if place == (at.topic, at.partition)), "-")
            position = "none" if at.offset is None else str(at.offset)
            table.add_row(f"{at.topic}\\[{at.partition}]", position, str(at.end), str(at.lag), member)
    console.print()
    console.print(table if table.row_count else "the inputs are empty")
    for topic in dict.fromkeys(at.topic for at in outputs):
        end = sum(at.end - at.start for at in outputs if at.topic == topic)
        console.print(f"{topic}: {end} offsets kept")
