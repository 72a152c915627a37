"""`just test`: start a real stack, run pytest against it on several cores, stop everything whatever happened.

The exit code is pytest's, and pytest's summary is the last thing printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import psutil

from infra.local.fetch import FetchError
from infra.local.kafka_cluster import KafkaError
from infra.local.processes import die_with_parent, end_with_parent
from infra.local.stack import StackError, ephemeral_stack

if TYPE_CHECKING:
    from pathlib import Path

MOST_WORKERS = 4
"""More test processes than this only wait for the one stack."""
ALONE = ("-n", "--numprocesses", "--pdb", "-s", "--capture=no", "--collect-only", "--co")
"""Arguments with which spreading over processes would be wrong or was chosen otherwise."""
GRACE = 20.0
INTERRUPTED = 130


class Terminated(BaseException):
    """SIGTERM arrived. Not an `Exception`: nothing but the clean-up may catch it."""


def main(arguments: list[str]) -> int:
    """Run the tests and return pytest's exit code."""
    signal.signal(signal.SIGTERM, _raise_terminated)
    signal.signal(signal.SIGHUP, _raise_terminated)
    end_with_parent()
    try:
        with ephemeral_stack() as file:
            return _pytest(arguments, file)
    except (FetchError, KafkaError, StackError) as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Terminated):
        return INTERRUPTED


def _raise_terminated(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up is quick; a second signal must not cut it short
    raise Terminated


def _pytest(arguments: list[str], stack: Path) -> int:
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    # In the order of tests/conftest.py, slow files first; xdist's own puts those with the most tests first.
    spread = ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    parallel = [] if any(word.startswith(ALONE) for word in arguments) else spread
    command = [sys.executable, "-m", "pytest", *parallel, *arguments]
    process = subprocess.Popen(
        command,
        env=os.environ | {"DARKROOM_TEST_STACK": str(stack)},
        # A group of its own hears of Ctrl-C from us, once: a second one would cut its clean-up short.
        # Alone it stays in ours, for a debugger reads from the terminal.
        process_group=0 if parallel else None,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - it takes no lock
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        _end(process, told=not parallel)
        raise
    except Terminated:
        _end(process, told=False)
        raise


def _end(process: subprocess.Popen[bytes], *, told: bool) -> None:
    """Let pytest finish its fixtures as after Ctrl-C (of which it may have been told), then end what is left."""
    tree = psutil.Process(process.pid)
    everyone = [*tree.children(recursive=True), tree]
    if not told:
        _signal(tree, signal.SIGINT)
    _, left = psutil.wait_procs(everyone, timeout=GRACE)
    for each in left:
        _signal(each, signal.SIGKILL)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
