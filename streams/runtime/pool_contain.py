"""What a pool child gives up before it looks at anything hostile: files, network, other processes, core dumps.

Layers, each as the kernel allows: resource limits, no capabilities, Landlock, a seccomp filter, and, only where seccomp
is missing, an empty network namespace. A layer that cannot be had is reported, never silently skipped. The environment
and the descriptors were already emptied by whoever started the process.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streams.runtime import pool_landlock, pool_seccomp

if TYPE_CHECKING:
    from collections.abc import Callable

STDERR_BYTES = 64 * 1024
"""The largest file a child may write: its stderr, which is kept to explain a crash."""
_DESCRIPTORS = 256
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(slots=True)
class Containment:
    """Which layers hold, and why the others do not."""

    applied: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return one line a layer: ``name`` or ``name: why not``."""
        lines = [*self.applied, *(f"{name}: {why}" for name, why in self.missing.items())]
        return "\n".join(lines).encode(errors="replace")

    @classmethod
    def decode(cls, head: bytes) -> Containment:
        """Read what `encode` wrote."""
        containment = cls()
        for line in head.decode(errors="replace").splitlines():
            name, colon, why = line.partition(": ")
            if colon:
                containment.missing[name] = why
            else:
                containment.applied.append(name)
        return containment


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; elsewhere the socket's end must do."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)


def contain() -> Containment:
    """Apply every layer that can be had, to this process and whatever threads it will start."""
    containment = Containment()
    _layer(containment, "limits", _limits)
    if sys.platform != "linux":
        containment.missing["sandbox"] = f"nothing is known for {sys.platform}"
        return containment
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _layer(containment, "oom_first", _be_the_first_to_go)
    _layer(containment, "undumpable", lambda: _prctl(_PR_SET_DUMPABLE, 0))
    _layer(containment, "capabilities", _drop_capabilities)
    _layer(containment, "landlock", pool_landlock.restrict)
    _layer(containment, "seccomp", pool_seccomp.restrict)
    if "seccomp" in containment.missing:
        _layer(containment, "netns", _leave_network)
    return containment


def _layer(containment: Containment, name: str, apply: Callable[[], None]) -> None:
    try:
        apply()
    except (OSError, ValueError) as error:
        containment.missing[name] = str(error)
    else:
        containment.applied.append(name)


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (STDERR_BYTES, STDERR_BYTES))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))


def _be_the_first_to_go() -> None:
    """When memory runs out, the kernel shall take a child and not the worker that holds the offsets."""
    Path("/proc/self/oom_score_adj").write_text("1000")


def _drop_capabilities() -> None:
    """Be nobody special even as root: with capabilities, file modes and limits would not hold."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc().capset(header, nothing))


def _leave_network() -> None:
    _checked(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def _prctl(option: int, value: int) -> None:
    _checked(_libc().prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
