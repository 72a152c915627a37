"""`darkroom delete`: asks the workers to remove images with every variant."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from schemas.events import ImageRemoved
from streams.cli.failures import CommandError, Exit, named_services
from streams.cli.shared import ConfigOption, JsonOption, emit, image_name, out, settings_from
from streams.client.errors import WaitTimeoutError
from streams.client.publisher import Publisher
from streams.client.waiter import Waiter
from streams.compose.client import make_parts

app = typer.Typer()
ImagesArgument = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="tenant/image_id")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; stands in the event.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until a worker has removed each.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="With --wait: seconds for all.")]


@app.command(epilog="Example: darkroom delete acme/summer-01 acme/summer-02 --wait")
def delete(
    images: ImagesArgument,
    reason: ReasonOption = "",
    wait: WaitOption = False,
    timeout: TimeoutOption = 120.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete images with every variant of what was uploaded before this moment. Later uploads are not touched."""
    names = [image_name(text) for text in images]
    settings = settings_from(config)
    with named_services(settings):
        parts = make_parts(settings)
        waiter = Waiter(parts) if wait else None
        with Publisher(parts) as publisher:
            publisher.check()
            sent = {
                (each := publisher.delete(tenant=name.tenant, image_id=name.image_id, reason=reason)).event_id: each
                for name in names
            }
            publisher.flush()
        for event_id, each in sent.items():
            if as_json and waiter is None:
                emit({"image": f"{each.tenant}/{each.image_id}", "state": "asked", "event_id": event_id})
        if waiter is None:
            if not as_json and sys.stdout.isatty():
                out().print(f"asked for the removal of {len(sent)} images")
            return
        try:
            for event in waiter.wait(sent, timeout):
                _tell(event, as_json=as_json)
        except WaitTimeoutError as error:
            raise CommandError(Exit.FAILED, f"{error}: is a worker running?") from error
        finally:
            waiter.close()


def _tell(event: object, *, as_json: bool) -> None:
    if not isinstance(event, ImageRemoved):
        raise CommandError(Exit.FAILED, f"not removed: {event}")
    name = f"{event.tenant}/{event.image_id}"
    if as_json:
        emit({"image": name, "state": "deleted", "removed_objects": event.removed_objects})
    elif sys.stdout.isatty():
        out().print(f"{name}: {event.removed_objects} objects removed")
