"""Start servers as child processes and stop them by process id, so that none is left behind and no other is hit.

A child of a test run dies with its parent whatever becomes of it (on Linux the kernel sees to that); a child of
`just up` lives on, and is known again by its id together with its start time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PR_SET_PDEATHSIG = 1
"""From Linux's <sys/prctl.h>."""
SAME_START = 2.0
"""Seconds by which two readings of one start time may differ: the kernel's boot time moves when the clock is set."""
GRACE = 20.0


@dataclass(frozen=True, slots=True)
class Known:
    """A process as it can be found again after this program has ended."""

    name: str
    pid: int
    started: float
    """Seconds since the epoch."""

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs; another one that was given the same id does not count."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= SAME_START
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def start(name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, *, bound_to_us: bool) -> Known:
    """Start a server in a process group of its own, its output going to the log.

    With ``bound_to_us`` it is killed when the calling thread ends, so call it from the main thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            start_new_session=True,  # Ctrl-C is for us: we stop the servers ourselves
            preexec_fn=die_with_parent() if bound_to_us else None,  # noqa: PLW1509 - it takes no lock
        )
    process.returncode = 0  # let go of it: it is watched and reaped by id from here on, and may outlive this program
    return Known(name, process.pid, psutil.Process(process.pid).create_time())


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent ends: a killed `just` tells nobody."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def die_with_parent() -> Callable[[], None] | None:
    """Return what the child does before it becomes the server."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal.SIGKILL)

    return bind


def stop(processes: Sequence[Known], *, at_once: bool) -> None:
    """Stop the process groups and wait until they are gone; politely, unless their data are thrown away anyway."""
    running = [each for each in processes if each.find()]
    _signal(running, signal.SIGKILL if at_once else signal.SIGTERM)
    end = time.monotonic() + GRACE
    while running := [each for each in running if _alive(each)]:
        if time.monotonic() > end:
            _signal(running, signal.SIGKILL)
            end += GRACE
        time.sleep(0.05)


def _signal(processes: Sequence[Known], number: signal.Signals) -> None:
    for each in processes:
        try:
            os.killpg(each.pid, number)
        except ProcessLookupError:
            continue


def _alive(known: Known) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(known.pid, os.WNOHANG)  # a child of ours would stay a zombie
    return known.find() is not None
