"""One pool child as its parent sees it: start it in a fresh interpreter, talk to it, watch it, kill it.

The interpreter is executed anew, never forked off (a process forked after libvips was used hangs), with an environment
of its own, one socket, and no other descriptor. All waiting is done by the thread that calls, in short looks: at the
socket, at the clock, at the child's resident memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

from streams.runtime import pool_wire
from streams.runtime.pool_contain import Containment
from streams.runtime.pool_wire import Kind, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.runtime.pool_wire import Frame

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from streams.runtime.pool_child import main; main()"
_SOCKET_BUFFER = 4 << 20
"""Asked for in bytes; the kernel grants what it allows. A photograph then crosses in few system calls."""
_LAST_WORDS = 300
"""Characters of a dead child's stderr that go into the detail of the error."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What a pool runs and within which limits."""

    name: str
    """For messages and thread names, for example ``renderer``."""
    entry: str
    """``module:function``; called once in each child with ``options``, it returns a `pool_wire.Serve`."""
    options: Any = None
    """Handed to the entry point; pickled."""
    processes: int = 1
    time_limit_s: float = 60.0
    """For one call, from the first byte of the request to the last of the answer; the wait for a free child apart."""
    memory_limit_bytes: int = 2 << 30
    """Resident memory of one child, looked at every ``watch_interval_s``."""
    answer_limit_bytes: int = 512 << 20
    recycle_after: int = 1000
    """Calls that a child answers before a fresh one takes its place: bounds what leaks and fragments."""
    start_limit_s: float = 60.0
    watch_interval_s: float = 0.05
    niceness: int = 5
    """Added to the parent's: Kafka's heartbeats and the other services come before pixels."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """ALL of the children's environment; nothing is inherited."""


class StartError(Exception):
    """A child could not be started; a new one would not start either."""


class ChildDiedError(Exception):
    """The child ended by itself in the middle of a call; ``returncode`` is negative for a signal."""

    def __init__(self, returncode: int, last_words: str) -> None:
        how = signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"
        super().__init__(f"{how}: {last_words}" if last_words else how)
        self.returncode = returncode


class OverTimeError(Exception):
    """The call took longer than its limit."""


class OverMemoryError(Exception):
    """The child held more memory than its limit."""


class Child:
    """One process. Used by one thread at a time; `kill` may come from another."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._stderr = _scratch()
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)
        ours.settimeout(0)
        self._socket = ours
        try:
            with theirs:
                self._process = _launch(theirs.fileno(), self._stderr, settings.environment)
        except OSError as error:
            ours.close()
            os.close(self._stderr)
            raise StartError(str(error)) from error
        self._memory = psutil.Process(self._process.pid)
        self.calls = 0
        self.ready = False
        self.containment = Containment()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def await_ready(self) -> None:
        """Tell the child what to serve and wait until it can. Raise `StartError` with its own words if it cannot."""
        settings = self._settings
        try:
            order = pickle.dumps((settings.entry, settings.options, settings.niceness))
            frame = self._exchange(Kind.START, order, b"", settings.start_limit_s)
        except (ChildDiedError, OverTimeError, OverMemoryError, WireError) as error:
            raise StartError(f"{settings.entry}: {error}") from error
        if frame.kind is not Kind.READY:
            raise StartError(frame.head.decode(errors="replace"))
        self.containment = Containment.decode(frame.head)
        self.ready = True

    def call(self, command: bytes, data: bytes | memoryview) -> Frame:
        """Return the child's `Kind.ANSWER` or `Kind.FAILED`.

        Raise `ChildDiedError`, `OverTimeError`, `OverMemoryError` or `WireError`; the child is then of no more use.
        """
        self.calls += 1
        os.ftruncate(self._stderr, 0)
        frame = self._exchange(Kind.CALL, command, data, self._settings.time_limit_s)
        if frame.kind not in {Kind.ANSWER, Kind.FAILED}:
            raise WireError(f"answered a call with {frame.kind.name}")
        return frame

    def is_sound(self) -> bool:
        """Whether it waits for work: an idle child that is gone, or has something to say, is not to be trusted."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def kill(self) -> None:
        """End it at once and reap it. Idempotent."""
        self._process.kill()
        self._process.wait()

    def release(self) -> None:
        """Kill it and give its descriptors back; only the thread that uses it may do that."""
        self.kill()
        self._socket.close()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    def _exchange(self, kind: Kind, head: bytes, data: bytes | memoryview, seconds: float) -> Frame:
        deadline = time.monotonic() + seconds
        fd = self._socket.fileno()
        reading, writing = select.poll(), select.poll()
        reading.register(fd, select.POLLIN)
        writing.register(fd, select.POLLOUT)
        try:
            pool_wire.write(fd, kind, head, (data,), lambda: self._wait(writing, deadline, seconds))
            receive = partial(_receive, fd, lambda: self._wait(reading, deadline, seconds))
            return pool_wire.read(receive, self._settings.answer_limit_bytes)
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise ChildDiedError(self._wait_for_end(), self._last_words()) from error

    def _wait(self, poll: select.poll, deadline: float, seconds: float) -> None:
        """Return when the socket can go on. Raise `OverTimeError` or `OverMemoryError` when the child may not."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise OverTimeError(f"not finished after {seconds:g} s")
            if poll.poll(1000 * min(left, self._settings.watch_interval_s)):
                return
            self._check_memory()

    def _check_memory(self) -> None:
        try:
            held = self._memory.memory_info().rss
        except psutil.Error:
            return  # it is gone; the socket will say so
        if held > self._settings.memory_limit_bytes:
            limit = self._settings.memory_limit_bytes
            raise OverMemoryError(f"held {held >> 20} MiB, {limit >> 20} MiB are allowed")

    def _wait_for_end(self) -> int:
        """Return the exit status of a child that closed its socket, which is not yet the end of it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=5)
        self.kill()
        return self._process.returncode

    def _last_words(self) -> str:
        said = os.pread(self._stderr, 1 << 16, 0).decode(errors="replace")
        return "".join(letter if letter.isprintable() else " " for letter in said.strip())[-_LAST_WORDS:]


def _receive(fd: int, wait: Callable[[], None], length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        try:
            count = os.readv(fd, [view])
        except BlockingIOError:
            wait()
            continue
        if count == 0:
            raise EOFError
        view = view[count:]
    return buffer


def _launch(fd: int, stderr: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Execute a fresh interpreter in a session of its own (Ctrl-C in a terminal is for the parent to judge)."""
    paths = json.dumps([os.path.abspath(path) for path in sys.path])  # noqa: PTH100  (the entries are strings)
    command = [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, paths, str(fd), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603  (our own interpreter)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=(fd,),
        env=dict(environment),
        cwd="/",
        start_new_session=True,
    )


def _scratch() -> int:
    """Return a nameless file that takes what a child says on stderr; in memory where that is possible."""
    if sys.platform == "linux":
        fd = os.memfd_create("stderr")
    else:
        fd, name = tempfile.mkstemp()
        os.unlink(name)  # noqa: PTH108
    # Appending, so that emptying it between calls is enough: parent and child share one position otherwise.
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return fd
