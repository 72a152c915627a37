"""`darkroom get`: what the store has of an image, and where a browser finds it."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.failures import CommandError, Exit, named_services
from streams.cli.shared import ConfigOption, JsonOption, emit, image_name, out, settings_from
from streams.client.images import get_image
from streams.compose.client import make_parts
from streams.compose.stores import reach_store

app = typer.Typer()
ImageArgument = Annotated[str, typer.Argument(metavar="IMAGE", help="tenant/image_id")]
ExpiresOption = Annotated[int, typer.Option("--expires", min=1, max=604_800, help="Seconds that the URLs are valid.")]
PlainOption = Annotated[bool, typer.Option("--plain", help="Unsigned URLs, for buckets that anybody may read.")]


@app.command(epilog="Example: darkroom get acme/summer-01 --json | jq -r '.variants[].url'")
def get(
    image: ImageArgument,
    expires: ExpiresOption = 3600,
    plain: PlainOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest variants of an image with their URLs. Exit code 1 if there are none."""
    name = image_name(image)
    settings = settings_from(config)
    with named_services(settings):
        reach_store(settings)
        found = get_image(make_parts(settings), name.tenant, name.image_id, expires_s=None if plain else expires)
    if found is None:
        raise CommandError(Exit.FAILED, f"no variants of {name}")
    if found.manifest is None:
        raise CommandError(Exit.FAILED, f"{name} was deleted")
    manifest = found.manifest
    variants = [
        {
            "name": each.name,
            "width": each.width,
            "height": each.height,
            "bytes": each.bytes,
            "content_type": each.content_type,
            "key": each.key,
            "url": found.urls[each.name],
        }
        for each in manifest.variants
    ]
    if as_json:
        facts = {"image": str(name), "recipe": manifest.recipe, "fingerprint": manifest.fingerprint}
        emit({**facts, "source_sha256": manifest.source_sha256, "variants": variants})
        return
    out().print(f"[bold]{name}[/]  recipe {manifest.recipe}, source sha256 {manifest.source_sha256[:16]}…")
    for each in variants:
        out().print(f"{each['name']}  {each['width']} x {each['height']}  {each['bytes']} bytes\n  {each['url']}")
