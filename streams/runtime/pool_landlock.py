"""Landlock for a pool child: no file can be written or made, and only code and system libraries can be read.

So neither a credentials file in somebody's home nor ``/proc/<parent>/environ`` is in reach; newer kernels also refuse
TCP, abstract sockets and signals to others. Numbers from ``linux/landlock.h``; the system calls have the same numbers
on every architecture. (The two bindings on PyPI are a pre-release and a first release; this needs three calls.)
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many file access rights each version of the interface knows; 16 from version 5 on."""
_NET_BIND_AND_CONNECT = 0b11
_SCOPE_SOCKETS_AND_SIGNALS = 0b11
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/sys/devices/system/cpu")
_DEVICES = ("/dev/null", "/dev/urandom", "/dev/zero")


def restrict() -> None:
    """Apply to this thread and all it starts. Raise OSError where the kernel has no Landlock.

    Threads that run already would stay free, so they are refused too.
    """
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise OSError(f"{threads} threads run already")
    version = _syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    attributes = _ruleset(version)
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in readable():
            _allow(ruleset, path)
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def readable() -> list[Path]:
    """Return what a child may read: system libraries, the interpreter's and the folders of the packages it has loaded.

    Folders of packages, not the search path's entries: a checkout's root may hold a configuration with passwords.
    """
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    interpreter = str(Path(sys.base_prefix) / "lib")
    roots = [Path(root).resolve() for root in (*_SYSTEM, interpreter, *installed)]
    loaded = {name.partition(".")[0] for name in sys.modules}
    own = {path for name in loaded for path in _home(name) if not any(path.is_relative_to(root) for root in roots)}
    return [path for path in (*roots, *sorted(own), *map(Path, _DEVICES)) if path.exists()]


def _home(package: str) -> list[Path]:
    module = sys.modules.get(package)
    folders = list(getattr(module, "__path__", ()))
    file = getattr(module, "__file__", None)
    return [Path(place).resolve() for place in (folders or ([file] if file else []))]


def _ruleset(version: int) -> bytes:
    files = (1 << _FS_BITS.get(version, 16)) - 1
    if version < 4:  # noqa: PLR2004  (network rules came with 4, scopes with 6)
        return struct.pack("=Q", files)
    if version < 6:  # noqa: PLR2004
        return struct.pack("=QQ", files, _NET_BIND_AND_CONNECT)
    return struct.pack("=QQQ", files, _NET_BIND_AND_CONNECT, _SCOPE_SOCKETS_AND_SIGNALS)


def _allow(ruleset: int, path: Path) -> None:
    rights = _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, handle), 0)
    finally:
        os.close(handle)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
