"""What the command says of itself, and how quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from streams.cli.main import app
from streams.cli.verbs import VERBS

HEAVY = ("confluent_kafka", "minio", "pydantic", "fastavro", "pyvips", "numpy", "structlog")


def shown(*arguments: str) -> str:
    """Return what the command prints."""
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_help_teaches() -> None:
    """Every verb with a line, examples, where settings come from, and the exit codes."""
    text = shown("--help")

    for verb in VERBS:
        assert verb.name in text
        assert verb.summary.split(",")[0] in text
    assert "darkroom demo" in text
    assert "DARKROOM_CONFIG" in text
    assert "3 a service does not answer" in text


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_has_an_example(verb: str) -> None:
    """Help that shows no example teaches nothing."""
    assert f"darkroom {verb}" in shown(verb, "--help")


def test_help_imports_no_library_it_does_not_need() -> None:
    """A shell that asks for help, or completes, must not wait for Kafka's client."""
    code = (
        "import sys; sys.argv = ['darkroom', '--help']\n"
        "from streams.cli.main import run\n"
        "run()\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_an_unknown_verb_gets_a_suggestion() -> None:
    """A typing mistake is a usage error, not a traceback."""
    done = CliRunner().invoke(app, ["publsih"])

    assert done.exit_code == 2
    assert "publish" in done.output


def test_every_verb_is_a_module_with_an_app() -> None:
    """The table of verbs holds nothing that cannot be imported."""
    for verb in VERBS:
        module = __import__(verb.module, fromlist=["app"])
        assert isinstance(module.app, typer.Typer)
