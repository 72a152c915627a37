"""What verbs share: options that mean the same everywhere, consoles, JSON lines, the form of an image's name."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.failures import usage

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Configuration file. Otherwise $DARKROOM_CONFIG, .darkroom/local.toml here or above, ./darkroom.toml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, nothing else.")]


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as it is named on the command line."""

    tenant: str
    image_id: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.image_id}"


def image_name(text: str) -> ImageName:
    """Read ``tenant/image_id``; the id may contain further slashes."""
    tenant, slash, image_id = text.partition("/")
    if not (tenant and slash and image_id):
        raise usage(f"{text!r} names no image: write tenant/image_id, for example acme/summer-01")
    return ImageName(tenant, image_id)


def settings_from(config: Path | None) -> Settings:
    """Load the settings and configure logging by them."""
    from streams.cli import logging  # noqa: PLC0415  structlog is slow to import; --help must not wait for it
    from streams.settings import load  # noqa: PLC0415  likewise pydantic

    settings = load(config).settings
    logging.configure(settings.log, logging.secrets_of(settings))
    return settings


def out() -> Console:
    """Return the console for results."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for progress and remarks."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415  only verbs that print need it

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200  # tables that are piped must not wrap at 80
    return Console(file=stream, highlight=False, soft_wrap=False, width=width)


def emit(value: dict[str, Any]) -> None:
    """Write one JSON object as a line, at once."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
