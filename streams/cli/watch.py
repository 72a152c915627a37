"""`darkroom watch`: ready, failed and deleted events as they come. Belongs to no group and commits nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.events import ImageFailed, ImageReady
from streams.cli.failures import named_services
from streams.cli.shared import ConfigOption, JsonOption, emit, err, out, settings_from
from streams.client.waiter import Waiter
from streams.compose.client import make_parts

if TYPE_CHECKING:
    from schemas.events import Output

app = typer.Typer()
SLICE_S = 0.5
TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant's.")]
FailedOption = Annotated[bool, typer.Option("--failed", help="Only failures.")]
CountOption = Annotated[int | None, typer.Option("--count", "-n", min=1, help="Leave after so many.")]


@app.command(epilog="Examples: darkroom watch · darkroom watch --json | jq -r .reason")
def watch(
    tenant: TenantOption = None,
    failed: FailedOption = False,
    count: CountOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show events as workers commit them, from now on, until interrupted."""
    settings = settings_from(config)
    left = count
    with named_services(settings), Waiter(make_parts(settings)) as waiter:
        err().print("watching; Ctrl-C ends it", style="dim")
        while left is None or left > 0:
            for event in waiter.answers(SLICE_S):
                if (tenant and event.tenant != tenant) or (failed and not isinstance(event, ImageFailed)):
                    continue
                if left == 0:
                    break
                left = None if left is None else left - 1
                emit(as_plain(event)) if as_json else out().print(_line(event))


def as_plain(event: Output) -> dict[str, Any]:
    """Return what a script wants to know of an event."""
    plain: dict[str, Any] = {
        "event": {"ImageReady": "ready", "ImageFailed": "failed"}.get(type(event).__name__, "deleted"),
        "tenant": event.tenant,
        "image_id": event.image_id,
        "event_id": event.event_id,
        "cause": f"{event.cause.topic}[{event.cause.partition}]@{event.cause.offset}",
        "cause_event_id": event.cause.event_id,
        "hlc": event.hlc,
    }
    if isinstance(event, ImageReady):
        variants = [
            {
                name: getattr(each, name)
                for name in ("name", "bucket", "key", "content_type", "width", "height", "bytes")
            }
            for each in event.variants
        ]
        plain |= {"recipe": event.recipe, "fingerprint": event.fingerprint, "deduplicated": event.deduplicated}
        plain |= {"dominant_colour": event.dominant_colour, "variants": variants}
    elif isinstance(event, ImageFailed):
        plain |= {"reason": event.reason, "detail": event.detail, "attempts": event.attempts}
    else:
        plain |= {"removed_objects": event.removed_objects, "reason": event.reason}
    return plain


def _line(event: Output) -> str:
    name = f"{event.tenant}/{event.image_id}".replace("[", "\\[")
    if isinstance(event, ImageReady):
        timings = event.timings
        spent = timings.fetch_ms + timings.inspect_ms + timings.render_ms + timings.put_ms
        made = "had been made" if event.deduplicated else f"{spent:.0f} ms"
        return f"[green]ready  [/] {name}  {event.recipe}, {len(event.variants)} variants, {made}"
    if isinstance(event, ImageFailed):
        detail = event.detail.replace("[", "\\[")
        return f"[red]failed [/] {name}  {event.reason}: {detail}"
    return f"[yellow]deleted[/] {name}  {event.removed_objects} objects removed"
