"""Servers as child processes: found again by id and start time, stopped whole, and never outliving a test run."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.local import processes
from infra.local.paths import ROOT
from tests.support import wait_until

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def gone(pid: int) -> bool:
    """Tell whether no such process runs any more."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_stops_the_whole_group(tmp_path: Path) -> None:
    """A server's own children go with it."""
    log = tmp_path / "log"
    server = processes.start("server", ["sh", "-c", "sleep 60 & echo $!; wait"], {}, log, bound_to_us=True)
    child = wait_until(lambda: int(log.read_text()), 10)

    processes.stop([server], at_once=False)

    assert gone(server.pid)
    wait_until(lambda: gone(child), 10)


def test_kills_what_does_not_heed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores SIGTERM is killed after the grace."""
    monkeypatch.setattr(processes, "GRACE", 0.3)
    log = tmp_path / "log"
    server = processes.start("server", ["sh", "-c", STUBBORN], {}, log, bound_to_us=True)
    wait_until(lambda: "ready" in log.read_text(), 10)

    processes.stop([server], at_once=False)

    assert gone(server.pid)


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    """Process ids are used again: without the start time `just down` could kill a stranger."""
    server = processes.start("server", ["sleep", "60"], {}, tmp_path / "log", bound_to_us=True)
    stranger = dataclasses.replace(server, started=server.started - 60)

    processes.stop([stranger], at_once=True)

    assert stranger.find() is None
    assert server.find() is not None
    processes.stop([server], at_once=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux's kernel offers it")
def test_bound_servers_die_with_a_killed_parent(tmp_path: Path) -> None:
    """A test run that is killed outright leaves no server behind."""
    code = (
        "import pathlib, signal; from infra.local import processes;"
        f"log = pathlib.Path({str(tmp_path / 'log')!r});"
        "print(processes.start('s', ['sleep', '60'], {}, log, bound_to_us=True).pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    assert not gone(server)

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: gone(server), 10)
