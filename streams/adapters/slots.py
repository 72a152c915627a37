"""Numbered slots of one host, held by file locks: how a restarted worker finds the transactional id of its predecessor.

A slot belongs to whoever holds the lock on its file; the kernel lets go of it when that process ends, however it ends.
Nothing is written into the files and none is removed: removing a held one would hand the same slot out twice.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST = 1000
"""Workers of one group on one host; past it something else is wrong."""


class NoSlotError(DarkroomError):
    """The folder cannot be used, or every slot is held."""


@contextmanager
def hold_slot(folder: Path, name: str) -> Iterator[str]:
    """Hold the first free slot of ``name`` for as long as the context lasts, and yield ``name-number``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number, descriptor = _first_free(folder, name)
    except OSError as error:
        raise NoSlotError(f"cannot use the slots folder {folder}: {error}") from error
    try:
        yield f"{name}-{number}"
    finally:
        os.close(descriptor)


def _first_free(folder: Path, name: str) -> tuple[int, int]:
    for number in range(MOST):
        descriptor = os.open(folder / f"{name}-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number, descriptor
    raise NoSlotError(f"all {MOST} slots of {name} in {folder} are held")
