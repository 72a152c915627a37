"""The life of one pool child: load the entry point, lock the door, then answer calls one at a time until the end.

Started by ``streams.runtime.pool_process`` in a fresh interpreter; never imported by the parent's side of the pool.
The entry point's module is imported before the containment closes (an import must read files), and called inside it.
"""

from __future__ import annotations

import importlib
import os
import pickle
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from schemas.errors import Permanent, Reason
from streams.runtime import pool_contain, pool_wire
from streams.runtime.pool_wire import Kind

if TYPE_CHECKING:
    from streams.runtime.pool_wire import Serve

_NO_LIMIT = 1 << 62
"""The parent is trusted; it has checked the size of what it sends."""
_DETAIL = 2000
"""Characters of an error's text that are worth sending."""


def main() -> None:
    """Serve the pool at the other end of the socket named by the command line: descriptor, parent's process id."""
    fd, parent = (int(argument) for argument in sys.argv[-2:])
    pool_contain.die_with(parent)
    parent_end = socket.socket(fileno=fd)
    try:
        serve = _start(parent_end)
        if serve is not None:
            while True:
                _answer(parent_end, serve)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is gone or done with us
    os._exit(0)


def _start(parent: socket.socket) -> Serve | None:
    frame = pool_wire.read(partial(_receive, parent), _NO_LIMIT)
    entry, options, niceness = pickle.loads(frame.head)  # noqa: S301  (the parent's own words)
    try:
        os.nice(niceness)
        module_name, _, function = entry.partition(":")
        factory: Any = getattr(importlib.import_module(module_name), function)
        containment = pool_contain.contain()
        serve: Serve = factory(options)
    except BaseException as error:  # noqa: BLE001  (whatever it is, the parent must hear why there is no child)
        pool_wire.write(parent.fileno(), Kind.BROKEN, _text(f"{entry}: {type(error).__name__}: {error}"), (), _never)
        return None
    pool_wire.write(parent.fileno(), Kind.READY, containment.encode(), (), _never)
    return serve


def _answer(parent: socket.socket, serve: Serve) -> None:
    frame = pool_wire.read(partial(_receive, parent), _NO_LIMIT)
    try:
        head, parts = serve(frame.head, bytes(frame.body))
    except Permanent as error:
        _fail(parent, error.reason, error.detail)
    except MemoryError:
        _fail(parent, Reason.OUT_OF_MEMORY, "an allocation was refused")
    except Exception as error:  # noqa: BLE001  (a bug ends as one failed image, not as a dead process)
        _fail(parent, Reason.INTERNAL, f"{type(error).__name__}: {error}")
    else:
        pool_wire.write(parent.fileno(), Kind.ANSWER, head, parts, _never)


def _fail(parent: socket.socket, reason: Reason, detail: str) -> None:
    pool_wire.write(parent.fileno(), Kind.FAILED, _text(f"{reason}\n{detail}"), (), _never)


def _receive(parent: socket.socket, length: int) -> bytes:
    """Return exactly so many bytes, read straight into the object returned: a photograph is not copied again."""
    data = parent.recv(length, socket.MSG_WAITALL) if length else b""
    if len(data) < length:
        raise EOFError
    return data


def _text(text: str) -> bytes:
    return text[:_DETAIL].encode(errors="replace")


def _never() -> None:
    """The child's end of the socket blocks by itself."""
