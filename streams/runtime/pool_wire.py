"""The frames between the pool and its children: a kind, a head and raw parts over one stream socket. Both ends use it.

Nothing that a child says is unpickled: whoever parses hostile bytes may say anything, and the pool's process holds the
credentials. A child's head is handed on as bytes, bounded in size; the adapter that knows what it means parses it.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_HEAD = 1 << 20
"""The longest head in bytes; a head describes, the parts carry."""
MAX_PARTS = 1024
_FIXED = struct.Struct("!BIH")
_LENGTH = struct.Struct("!Q")


class Kind(IntEnum):
    """What a frame is."""

    START = 1
    """To the child: what to serve (the head is pickled: the parent is trusted by its children, never the reverse)."""
    READY = 2
    """From the child: its head names the containment that holds."""
    BROKEN = 3
    """From the child: it cannot start; the head says why."""
    CALL = 4
    ANSWER = 5
    FAILED = 6
    """From the child: the head is a reason code, a newline, and the detail."""


class WireError(Exception):
    """The other end said something that is no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. ``body`` is all of its parts, as the receiver read them: in one piece, without another copy."""

    kind: Kind
    head: bytes
    lengths: tuple[int, ...]
    body: bytes | bytearray

    @property
    def parts(self) -> tuple[memoryview, ...]:
        """The parts, as views of the body, which lives as long as they do."""
        view, ends = memoryview(self.body), accumulate(self.lengths)
        return tuple(view[end - length : end] for end, length in zip(ends, self.lengths, strict=True))


class Serve(Protocol):
    """What an entry point returns: answers one call, in the child, one at a time."""

    def __call__(self, command: bytes, data: bytes, /) -> tuple[bytes, Sequence[bytes]]:
        """Return the head and the parts of the answer; raise `schemas.errors.Permanent` to fail with a reason."""
        ...


def write(fd: int, kind: Kind, head: bytes, parts: Sequence[bytes | memoryview], wait: Callable[[], None]) -> None:
    """Write one frame, gathered, without joining its parts; ``wait`` blocks until ``fd`` takes bytes again."""
    lengths = b"".join(_LENGTH.pack(len(part)) for part in parts)
    opening = _FIXED.pack(kind, len(head), len(parts)) + lengths + head
    pending = [memoryview(opening), *(memoryview(part) for part in parts if len(part))]
    while pending:
        try:
            written = os.writev(fd, pending)
        except BlockingIOError:
            wait()
            continue
        pending = _after(pending, written)


def _after(pending: list[memoryview], written: int) -> list[memoryview]:
    for position, view in enumerate(pending):
        if written < len(view):
            return [view[written:], *pending[position + 1 :]]
        written -= len(view)
    return []


def read(receive: Callable[[int], bytes | bytearray], limit: int) -> Frame:
    """Read one frame whose parts hold at most ``limit`` bytes together; ``receive`` returns exactly so many bytes.

    Raise `WireError` when the other end talks nonsense, and what ``receive`` raises when it is gone.
    """
    kind, head_length, count = _FIXED.unpack(receive(_FIXED.size))
    if head_length > MAX_HEAD or count > MAX_PARTS:
        raise WireError(f"a head of {head_length} bytes with {count} parts")
    opening = receive(count * _LENGTH.size + head_length)
    lengths = tuple(_LENGTH.unpack_from(opening, index * _LENGTH.size)[0] for index in range(count))
    if sum(lengths) > limit:
        raise WireError(f"{sum(lengths)} bytes where at most {limit} are taken")
    try:
        known = Kind(kind)
    except ValueError as error:
        raise WireError(f"a frame of kind {kind}") from error
    return Frame(known, bytes(opening[count * _LENGTH.size :]), lengths, receive(sum(lengths)))
