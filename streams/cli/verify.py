"""`darkroom verify`: a sample of what is stored, compared with its manifests and with a fresh rendering."""

from __future__ import annotations

import os
import secrets
import sys
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processors.recipe_file import RecipeError
from streams.cli.failures import CommandError, Exit, named_services, usage
from streams.cli.publish_progress import bar
from streams.cli.shared import ConfigOption, JsonOption, emit, out, settings_from
from streams.compose.renderer import make_renderer
from streams.compose.services import load_recipes
from streams.compose.stores import make_policy, make_store, reach_store
from streams.keep.sample import Choice, draw, manifests, prefix_of
from streams.keep.verify import Verifier
from streams.runtime.pool import PoolStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.keep.verify import Checked
    from streams.settings import Settings

app = typer.Typer()
TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant's images.")]
PrefixOption = Annotated[str, typer.Option("--prefix", help="With --tenant: only images whose ids begin like this.")]
CountOption = Annotated[int, typer.Option("--count", "-n", min=1, help="How many renders (image and recipe) to take.")]
FractionOption = Annotated[
    float | None, typer.Option("--fraction", min=0.0, max=1.0, help="Take this share of all instead, 1 for every one.")
]
SeedOption = Annotated[str | None, typer.Option("--seed", help="The same seed takes the same images. Absent: any.")]


@app.command(epilog="Examples: darkroom verify --count 500 · darkroom verify --tenant acme --fraction 1 --json")
def verify(
    tenant: TenantOption = None,
    prefix: PrefixOption = "",
    count: CountOption = 100,
    fraction: FractionOption = None,
    seed: SeedOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare stored variants with their manifests, and render their originals again. It writes nothing.

    Exit code 1 if an object is missing, corrupt, or comes out otherwise now. Kafka need not run.
    """
    if prefix and tenant is None:
        raise usage(f"--prefix {prefix!r} is of image ids: say whose with --tenant")
    settings = settings_from(config)
    choice = Choice(seed or secrets.token_hex(4), count, fraction)
    shown = not as_json and sys.stderr.isatty()
    try:
        with named_services(settings), make_renderer(settings) as renderer:
            reach_store(settings)
            store = make_store(settings)
            verifier = Verifier(
                store,
                renderer,
                load_recipes(settings),
                make_policy(settings),
                settings.store.bucket,
                settings.store.upload_bucket,
                settings.limits.bytes,
            )
            where = prefix_of(tenant, prefix)
            keys, total = _drawn(store.list(settings.store.bucket, where), choice, shown=shown)
            if not keys:
                place = f"{settings.store.bucket}/{where}"
                found = f"{total} renders, and the sample took none" if total else "no render"
                raise CommandError(Exit.FAILED, f"nothing to verify: below {place} there is {found}")
            renderer.start()
            results = _checked(verifier.check, keys, _threads(settings), shown=shown)
            wrong = _report(results, total, choice, as_json=as_json)
    except PoolStartError as error:
        raise CommandError(Exit.FAILED, str(error)) from error
    except RecipeError as error:
        raise usage(f"{error} (recipes.folder)") from error
    if wrong:
        raise typer.Exit(int(Exit.FAILED))


def _drawn(keys: Iterator[str], choice: Choice, *, shown: bool) -> tuple[list[str], int]:
    """Return the sample, and of how many it was drawn."""
    total = 0

    def counted() -> Iterator[str]:
        nonlocal total
        for total, key in enumerate(manifests(keys), 1):
            if total % 1000 == 0:
                update(total, "")
            yield key

    with bar("listing", None, shown=shown) as update:
        return draw(counted(), choice), total


def _threads(settings: Settings) -> int:
    return (settings.worker.renderers or os.cpu_count() or 1) + 1


def _checked(check: Callable[[str], Checked], keys: Sequence[str], threads: int, *, shown: bool) -> Iterator[Checked]:
    """Yield a result for each key in order, a few ahead of the reader."""
    with bar("verifying", len(keys), shown=shown) as update, ThreadPoolExecutor(threads) as pool:
        ahead, wrong = deque(pool.submit(check, key) for key in keys[: 2 * threads]), 0
        for done in range(1, len(keys) + 1):
            result = ahead.popleft().result()
            following = done - 1 + 2 * threads
            if following < len(keys):
                ahead.append(pool.submit(check, keys[following]))
            wrong += len(result.findings)
            update(done, f"{wrong} wrong" if wrong else "")
            yield result


def _report(results: Iterator[Checked], total: int, choice: Choice, *, as_json: bool) -> int:
    """Say every finding as it comes and the sums at the end; return how much is wrong."""
    faults, skipped = Counter[str](), Counter[str]()
    renders = rendered = vanished = 0
    for result in results:
        vanished += result.vanished
        renders += not result.vanished
        rendered += not result.vanished and result.skipped is None
        if result.skipped is not None:
            skipped[result.skipped.value] += 1
        for each in result.findings:
            faults[each.fault.value] += 1
            row = {"fault": each.fault.value, "object": each.key, "manifest": result.key, "detail": each.detail}
            emit(row) if as_json else out().print(f"{each.fault:<10} {each.key}: {each.detail}", markup=False)
    wrong = sum(faults.values())
    summary: dict[str, Any] = {
        "summary": "wrong" if wrong else "all as it should be",
        "of": total,
        "checked": renders,
        "rendered": rendered,
        "vanished": vanished,
        "faults": dict(faults),
        "not_rendered": dict(skipped),
        "seed": choice.seed,
    }
    emit(summary) if as_json else _sum_up(summary)
    return wrong


def _sum_up(summary: dict[str, Any]) -> None:
    say = out().print
    say(f"{summary['checked']} of {summary['of']} renders checked, {summary['rendered']} of them rendered again")
    for why, count in summary["not_rendered"].items():
        say(f"  {count} not rendered: {why}", markup=False)
    if summary["vanished"]:
        say(f"  {summary['vanished']} were deleted meanwhile")
    faults = ", ".join(f"{count} {fault}" for fault, count in summary["faults"].items()) or summary["summary"]
    say(f"{faults} (--seed {summary['seed']})", markup=False)
