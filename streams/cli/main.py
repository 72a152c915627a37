"""The `darkroom` command: finds the verb, and turns what users can mend into one line and an exit code.

Holds no verb itself; each is a module beside this one, imported when it is asked for.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import DarkroomError
from streams.cli.failures import CommandError, Exit
from streams.cli.verbs import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = """Self-hosted, Kafka-native image variants: an upload event in, every variant rendered, stored and announced.

\b
Try it, nothing to install:   darkroom demo
Publish a folder and wait:    darkroom publish photos/ --tenant acme --wait
See what comes out:           darkroom watch --json
Run a worker:                 darkroom worker

\b
Settings: --config FILE, else $DARKROOM_CONFIG, else .darkroom/local.toml here or above, else ./darkroom.toml;
any of them by environment, for example DARKROOM_KAFKA__BOOTSTRAP_SERVERS.
"""
EPILOG = (
    "Exit codes: 0 done · 1 it ran and the answer is no (an image failed, a check found differences) · "
    "2 command line or configuration · 3 a service does not answer · 4 fenced by another worker · 130 interrupted."
)
OURS = ("streams", "schemas", "processors")

app = typer.Typer(
    cls=LazyGroup,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow, and rarely asked for

        try:
            number = version("darkroom")
        except PackageNotFoundError:
            number = "(not installed)"
        sys.stdout.write(f"darkroom {number}\n")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
]


@app.callback()
def root(version: VersionOption = False) -> None:
    """Carry the options of `darkroom` itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries say to their programmers is not for users
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="darkroom", standalone_mode=True)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(Exit.FAILED)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # the reader of our output left: nothing more to say
        return Exit.OK
    except DarkroomError as error:
        return _explain(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        return _say(Exit.USAGE, f"{error.name} is not installed: this verb needs the extras [client,worker]")
    return int(code or Exit.OK)


def _explain(error: DarkroomError) -> int:
    if isinstance(error, CommandError):
        return _say(error.code, *error.lines)
    from streams.settings import SettingsError  # noqa: PLC0415  pydantic is slow to import

    if isinstance(error, SettingsError):
        count = len(error.problems)
        headline = f"{count} problem{'s' if count > 1 else ''} in the configuration:"
        return _say(Exit.USAGE, headline, *(f"  {problem}" for problem in error.problems))
    return _say(Exit.FAILED, str(error))


def _say(code: Exit, *lines: str) -> int:
    first, *rest = lines
    sys.stderr.write("\n".join([f"darkroom: {first}", *rest]) + "\n")
    return int(code)


if __name__ == "__main__":
    main()
