"""`darkroom demo`: photographs in, variants and a contact sheet out, in one process and with nothing to install.

What it shows is real; what it leaves out is said in one line, when it starts.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from schemas.events import ImageFailed, ImageReady
from streams.cli import logging
from streams.cli.demo_page import Picture, Shown, size, write_page
from streams.cli.demo_run import BUCKET, Answer, draw_samples, open_lab
from streams.cli.failures import CommandError, Exit, usage
from streams.cli.shared import err, out
from streams.settings import Log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.adapters.directory_store import DirectoryStore

app = typer.Typer()
CAVEAT: Final = "For trying out: no exactly-once, and nothing outlives the process. `just up` starts the real thing."
SAMPLES: Final = "samples"
STORE: Final = "store"
FilesArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="FILES...", help="Your images; otherwise four are drawn.")
]
OutOption = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="Where everything goes; what was there goes away.")
]


@app.command(epilog="Examples: darkroom demo · darkroom demo holiday/*.jpg")
def demo(files: FilesArgument = None, folder: OutOption = Path(".darkroom/demo")) -> None:
    """Try everything in one process: publish photographs, render every variant, show what comes out.

    Exit code 0 only if every image came out ready.
    """
    logging.configure(Log(level="error", format="console"))
    missing = [str(file) for file in files or () if not file.is_file()]
    if missing:
        raise usage(f"no such file: {', '.join(missing)}")
    begun = time.monotonic()
    console = err()
    console.print(CAVEAT, style="dim")
    _clear(folder)
    with console.status("drawing four photographs" if not files else "starting") as status:
        sources = list(files) if files else draw_samples(folder / SAMPLES)
        status.update("starting broker, store and worker")
        with open_lab(folder / STORE) as lab:
            status.update(f"{len(sources)} published, 0 answered")
            answers: list[Answer] = []
            for answer in _answers(lab.develop(sources)):
                answers.append(answer)
                console.print(_line(answer))
                status.update(f"{len(sources)} published, {len(answers)} answered")
    answers.sort(key=lambda answer: answer.file.name)
    page = folder / "contact-sheet.html"
    spent = time.monotonic() - begun
    _write(page, answers, lab.store, spent)
    out().print(_table(answers, lab.store, short=sys.stdout.isatty()))
    ready = sum(isinstance(answer.event, ImageReady) for answer in answers)
    out().print(
        f"{ready} of {len(answers)} images ready in {spent:.1f} s. Contact sheet: {page.absolute()}", soft_wrap=True
    )
    if ready < len(answers):
        raise typer.Exit(Exit.FAILED)


def _answers(developed: Iterator[Answer]) -> Iterator[Answer]:
    try:
        yield from developed
    except TimeoutError as error:
        raise CommandError(Exit.FAILED, f"the worker fell silent: {error}") from error


def _clear(folder: Path) -> None:
    """Remove what an earlier demo left, and nothing else."""
    for name in (SAMPLES, STORE):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _line(answer: Answer) -> str:
    name = answer.file.name.replace("[", "\\[")
    if isinstance(answer.event, ImageReady):
        return f"[green]ready [/] {name}  {len(answer.event.variants)} variants after {answer.seconds:.1f} s"
    detail = _why(answer).replace("[", "\\[")
    return f"[red]failed[/] {name}  {detail}"


def _why(answer: Answer) -> str:
    event = answer.event
    return f"{event.reason}: {event.detail}" if isinstance(event, ImageFailed) else type(event).__name__


def _table(answers: Sequence[Answer], store: DirectoryStore, *, short: bool) -> Table:
    """Return the table; ``short``: variants by their file names, below the folder that their image's row names."""
    table = Table("image", "variant", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("size", "bytes", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("path", overflow="fold")
    for answer in answers:
        event = answer.event
        if not isinstance(event, ImageReady):
            table.add_row(answer.file.name, "-", "-", "-", "-", _why(answer), style="red")
            continue
        spent = f"{event.timings.render_ms:.0f} ms"
        source = f"{event.source.width} x {event.source.height}"
        folder = store.path(event.variants[0].bucket, event.variants[0].key).parent
        table.add_row(
            answer.file.name, "", source, f"{answer.file.stat().st_size:,}", spent, f"{folder}/", style="bold"
        )
        for each in event.variants:
            path = store.path(each.bucket, each.key)
            shown = path.name if short else str(path)
            table.add_row("", each.name, f"{each.width} x {each.height}", f"{each.bytes:,}", "", shown)
    return table


def _write(page: Path, answers: Sequence[Answer], store: DirectoryStore, seconds: float) -> None:
    pictures = [_picture(answer, store) for answer in answers]
    variants = sum(len(picture.variants) for picture in pictures)
    summary = (
        f"{len(pictures)} images became {variants} variants in {seconds:.1f} s, published, rendered and announced."
    )
    write_page(page, pictures, summary, CAVEAT)


def _picture(answer: Answer, store: DirectoryStore) -> Picture:
    event = answer.event
    if not isinstance(event, ImageReady):
        return Picture(answer.file.name, _why(answer), is_ready=False, colour="", variants=())
    facts, timings = event.source, event.timings
    line = (
        f"{facts.width} x {facts.height} {facts.format}, {size(answer.file.stat().st_size)} · recipe {event.recipe} · "
        f"rendered in {timings.render_ms:.0f} ms"
    )
    shown = []
    for each in event.variants:
        blob = store.fetch(BUCKET, each.key, limit=1 << 30)
        shown.append(Shown(each.name, each.width, each.height, each.content_type, blob.data if blob else b""))
    return Picture(answer.file.name, line, is_ready=True, colour=event.dominant_colour, variants=shown)
