"""Entry points that the pool's tests run in real children: one that does as it is told, and some that never start."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import Permanent, Reason
from streams.runtime import pool_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.runtime.pool_wire import Serve


def obedient(options: Any) -> Serve:  # noqa: ANN401  (the tests hand over various things)
    """Return a function that does what the command (JSON: a verb and an argument) says."""

    def serve(command: bytes, data: bytes) -> tuple[bytes, Sequence[bytes]]:
        verb, argument = json.loads(command)
        if verb == "options":
            return json.dumps(options).encode(), ()
        return _VERBS[verb](argument, data)

    return serve


def refusing(options: Any) -> Serve:  # noqa: ANN401
    """Fail as an entry point with a wrong configuration does."""
    raise ValueError(f"no such thing as {options}")


def dying(options: Any) -> Serve:  # noqa: ANN401, ARG001
    """Crash while starting."""
    os.abort()


def failing_for(options: Any) -> Serve:  # noqa: ANN401
    """Start only when the clock of the machine shows more than this."""
    if time.monotonic() > options:
        return obedient(options)
    raise ValueError("not yet")


def _echo(_: object, data: bytes) -> tuple[bytes, Sequence[bytes]]:
    return b"echo", (data, b"", data[::-1])


def _sleep(seconds: float, _: object) -> tuple[bytes, Sequence[bytes]]:
    time.sleep(seconds)
    return b"slept", ()


def _fail(reason: str, _: object) -> tuple[bytes, Sequence[bytes]]:
    raise Permanent(Reason(reason), "as told")


def _raise(text: str, _: object) -> tuple[bytes, Sequence[bytes]]:
    raise RuntimeError(text)


def _exhaust(_: object, __: object) -> tuple[bytes, Sequence[bytes]]:
    raise MemoryError


def _signal(number: int, _: object) -> tuple[bytes, Sequence[bytes]]:
    os.kill(os.getpid(), number)
    time.sleep(60)
    return b"", ()


def _abort(words: str, _: object) -> tuple[bytes, Sequence[bytes]]:
    print(words, file=sys.stderr, flush=True)  # noqa: T201
    os.abort()


def _exit(code: int, _: object) -> tuple[bytes, Sequence[bytes]]:
    os._exit(code)


def _balloon(step: int, _: object) -> tuple[bytes, Sequence[bytes]]:
    held = []
    while True:
        held.append(b"x" * step)
        time.sleep(0.005)


def _spin(_: object, __: object) -> tuple[bytes, Sequence[bytes]]:
    while True:
        pass


def _babble(_: object, __: object) -> tuple[bytes, Sequence[bytes]]:
    """Write what is no frame into the only socket there is."""
    os.write(_only_socket(), b"\xff" * 4096)
    time.sleep(60)
    return b"", ()


def _mislabel(_: object, __: object) -> tuple[bytes, Sequence[bytes]]:
    """Fail for a reason that does not exist."""
    pool_wire.write(_only_socket(), pool_wire.Kind.FAILED, b"bored\nvery", (), lambda: None)
    time.sleep(60)
    return b"", ()


def _huge(size: int, _: object) -> tuple[bytes, Sequence[bytes]]:
    return b"", (bytes(size),)


def _only_socket() -> int:
    for fd in range(3, 64):
        try:
            if os.fstat(fd).st_mode & 0o170000 == 0o140000:
                return fd
        except OSError:
            continue
    raise LookupError


def _about(_: object, __: object) -> tuple[bytes, Sequence[bytes]]:
    """Say who and how this process is."""
    open_fds = [fd for fd in range(256) if _is_open(fd)]
    about = {
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "fds": open_fds,
        "nice": os.nice(0),
        "session": os.getsid(0),
        "directory": os.getcwd(),  # noqa: PTH109
        "modules": sorted(name for name in sys.modules if "." not in name),
        "threads": threading.active_count(),
    }
    return json.dumps(about).encode(), ()


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _try(attempt: list[Any], _: object) -> tuple[bytes, Sequence[bytes]]:
    """Try something forbidden; answer with how it went."""
    name, *arguments = attempt
    try:
        result = _ATTEMPTS[name](*arguments)
    except OSError as error:
        return f"refused: {type(error).__name__}".encode(), ()
    return f"done: {result}".encode(), ()


def _write_file(path: str) -> object:
    return Path(path).write_text("was here")


def _call_c(name: str, *arguments: int) -> object:
    libc = ctypes.CDLL(None, use_errno=True)
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def _connect(port: int) -> object:
    return socket.create_connection(("127.0.0.1", port), timeout=1)


_ATTEMPTS: dict[str, Callable[..., object]] = {
    "socket": socket.socket,
    "connect": _connect,
    "write": _write_file,
    "read": lambda path: Path(path).read_text(),
    "list": os.listdir,
    "make": os.mkdir,
    "remove": os.unlink,
    "rename": lambda path: Path(path).rename(path + "2"),
    "chmod": lambda path: Path(path).chmod(0o777),
    "truncate": lambda path: os.truncate(path, 0),
    "run": lambda: subprocess.run(["/bin/true"], check=True),
    "fork": os.fork,
    "kill": lambda pid: os.kill(pid, signal.SIGTERM),
    "memory": lambda pid: Path(f"/proc/{pid}/mem").read_bytes(),
    "ptrace": lambda pid: _call_c("ptrace", 16, pid, 0, 0),
    "thread": lambda: threading.Thread(target=int).start(),
    "import": lambda name: __import__(name).__name__,
}

_VERBS: dict[str, Callable[[Any, bytes], tuple[bytes, Sequence[bytes]]]] = {
    "echo": _echo,
    "sleep": _sleep,
    "fail": _fail,
    "raise": _raise,
    "exhaust": _exhaust,
    "signal": _signal,
    "abort": _abort,
    "exit": _exit,
    "balloon": _balloon,
    "spin": _spin,
    "babble": _babble,
    "huge": _huge,
    "mislabel": _mislabel,
    "about": _about,
    "try": _try,
}
