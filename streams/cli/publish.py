"""`darkroom publish`: uploads images and announces them, or announces what is in a bucket already.

With ``--wait`` it stays until a worker has answered each: ready, or failed with the reason.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.failures import named_services, usage
from streams.cli.publish_find import SCHEME, Bucket, Naming, files
from streams.cli.publish_run import Run
from streams.cli.shared import ConfigOption, JsonOption, err, settings_from
from streams.client.uploads import Upload
from streams.compose.client import make_parts
from streams.compose.stores import reach_store

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer()

PathsArgument = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Files, folders, globs or s3://bucket/prefix.")
]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", "-t", help="Tenant of all; 'default' if nothing says one.")
]
IdOption = Annotated[str | None, typer.Option("--id", help="Image id, for a single file. Otherwise the relative path.")]
PatternOption = Annotated[
    str | None,
    typer.Option(
        "--pattern", help="Where tenant and id stand in the path: {tenant}/{id}.{ext}; {*} is any other part."
    ),
]
RecipeOption = Annotated[str | None, typer.Option("--recipe", help="Recipe; otherwise recipes.default.")]
BulkOption = Annotated[bool, typer.Option("--bulk", help="The bulk lane, as s3:// always takes.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for every answer; exit code 1 if an image failed.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="With --wait: seconds without any answer.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Begin an import again rather than go on where it stood.")]


@app.command(
    epilog="Examples: darkroom publish photos/ --tenant acme --wait · "
    "darkroom publish 'in/**/*.jpg' --pattern '{tenant}/{id}.{ext}' · darkroom publish s3://uploads/acme/ --tenant acme"
)
def publish(
    paths: PathsArgument,
    tenant: TenantOption = None,
    image_id: IdOption = None,
    pattern: PatternOption = None,
    recipe: RecipeOption = None,
    bulk: BulkOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = 120.0,
    fresh: FreshOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish images: files, folders, globs, or objects already in an allowed bucket.

    Of a folder, files that look like images are taken. An import from a bucket that was interrupted goes on where it
    stood. On a terminal there is progress; piped, only what failed is said.
    """
    settings = settings_from(config)
    naming = Naming(tenant, pattern, image_id)
    template = Upload(b"", "", "", recipe, "bulk" if bulk else "uploaded")
    buckets = [text for text in paths if text.startswith(SCHEME)]
    if buckets and len(paths) > 1:
        raise usage("one s3:// prefix at a time, and no files beside it")
    naming.check()
    bucket = _allowed(settings, Bucket.read(buckets[0])) if buckets else None
    uploads, skipped = ([], 0) if bucket else files(paths, naming, template)
    if skipped and sys.stderr.isatty():
        err().print(f"left {skipped} files that do not look like images; name them to publish them")
    with named_services(settings):
        reach_store(settings)
        run = Run(make_parts(settings), wait=wait, timeout=timeout, as_json=as_json)
        if bucket is not None:
            run.bucket(bucket, naming, template, fresh=fresh)
        else:
            run.files(uploads)
    raise typer.Exit(run.report())


def _allowed(settings: Settings, bucket: Bucket) -> Bucket:
    allowed = sorted({rule.bucket for rule in settings.source_rules()})
    if bucket.name not in allowed:
        raise usage(f"workers may not read bucket {bucket.name!r}; allowed are {', '.join(allowed)} (sources)")
    return bucket
