"""A seccomp filter for a pool child: no sockets, no new processes, no hands on other processes, no change to any file.

A deny list that answers with an error number, so that a library that merely tries goes on; it stands behind Landlock
and alone where that is missing. Numbers from the kernel's ``unistd`` tables, layouts from ``linux/seccomp.h`` and
``linux/filter.h``. (The bindings on PyPI want a libseccomp that slim images lack.)
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_MODE_FILTER, _TSYNC = 1, 1
_X32 = 0x40000000
"""x86's third interface counts from here; nobody needs it, and it would pass by the numbers below."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL_PROCESS, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x00010000
_OPEN_TO_CHANGE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_DENIED = """
# network
socket=41/198 socketpair=53/199 connect=42/203 bind=49/200 listen=50/201 accept=43/202 accept4=288/242 sendto=44/206
sendmsg=46/211 sendmmsg=307/269
# processes: new ones, and other people's
execve=59/221 execveat=322/281 fork=57/- vfork=58/- ptrace=101/117 process_vm_readv=310/270 process_vm_writev=311/271
process_madvise=440/440 pidfd_open=434/434 pidfd_getfd=438/438 pidfd_send_signal=424/424 tkill=200/130
rt_sigqueueinfo=129/138 rt_tgsigqueueinfo=297/240 kcmp=312/272
# files: every change that needs no descriptor opened for writing
creat=85/- truncate=76/45 rename=82/- renameat=264/38 renameat2=316/276 unlink=87/- unlinkat=263/35 mkdir=83/-
mkdirat=258/34 rmdir=84/- link=86/- linkat=265/37 symlink=88/- symlinkat=266/36 mknod=133/- mknodat=259/33 chmod=90/-
fchmod=91/52 fchmodat=268/53 fchmodat2=452/452 chown=92/- lchown=94/- fchown=93/55 fchownat=260/54 utime=132/-
utimes=235/- futimesat=261/- utimensat=280/88 setxattr=188/5 lsetxattr=189/6 fsetxattr=190/7 removexattr=197/14
lremovexattr=198/15 fremovexattr=199/16 memfd_create=319/279 memfd_secret=447/447
# the system, and the parts of the kernel that break most often
mount=165/40 umount2=166/39 pivot_root=155/41 chroot=161/51 unshare=272/97 setns=308/268 open_tree=428/428
move_mount=429/429 fsopen=430/430 fsconfig=431/431 fsmount=432/432 fspick=433/433 mount_setattr=442/442 bpf=321/280
perf_event_open=298/241 userfaultfd=323/282 io_uring_setup=425/425 io_uring_enter=426/426 io_uring_register=427/427
keyctl=250/219 add_key=248/217 request_key=249/218 shmget=29/194 msgget=68/186 semget=64/190 mq_open=240/180
init_module=175/105 finit_module=313/273 delete_module=176/106 reboot=169/142
"""
"""``name=x86_64/aarch64``; a dash where the architecture never had it."""
_UNKNOWN = {"clone3": (435, 435), "openat2": (437, 437)}
"""Their arguments lie in memory, where a filter cannot look: said to be missing, the C library takes the older call."""
_TO_ITSELF = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}
"""Allowed where the first argument is this process (or 0, which means it for prlimit64): abort() needs tgkill."""


def restrict() -> None:
    """Apply to every thread of this process, for good. Raise OSError where it cannot be had."""
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(f"no table of system calls for {machine}")
    code = b"".join(_program(machine, os.getpid()))
    held = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the count, padding, and where the instructions are
    program = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if libc.syscall(ctypes.c_long(_SECCOMP[machine]), _SET_MODE_FILTER, _TSYNC, program) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _program(machine: str, pid: int) -> list[bytes]:
    column = list(_AUDIT_ARCH).index(machine)
    program = [_load(_ARCH), _jump(_EQUAL, _AUDIT_ARCH[machine], 1, 0), _return(_KILL_PROCESS), _load(_NUMBER)]
    if machine == "x86_64":
        program += [_jump(_AT_LEAST, _X32, 0, 1), _return(_ERROR | errno.EPERM)]
    for number in _denied(column):
        program += [_jump(_EQUAL, number, 0, 1), _return(_ERROR | errno.EPERM)]
    for numbers in _UNKNOWN.values():
        program += [_jump(_EQUAL, numbers[column], 0, 1), _return(_ERROR | errno.ENOSYS)]
    for numbers in _TO_ITSELF.values():
        program += _only_if_first_argument(numbers[column], pid)
    program += _only_with_bits((56, 220)[column], 0, _CLONE_THREAD, wanted=True)
    program += _only_with_bits((257, 56)[column], 2, _OPEN_TO_CHANGE, wanted=False)
    if machine == "x86_64":
        program += _only_with_bits(2, 1, _OPEN_TO_CHANGE, wanted=False)
    return [*program, _return(_ALLOW)]


def _denied(column: int) -> list[int]:
    words = (word for line in _DENIED.splitlines() if not line.startswith("#") for word in line.split())
    numbers = (word.partition("=")[2].split("/")[column] for word in words)
    return [int(number) for number in numbers if number != "-"]


def _only_if_first_argument(number: int, pid: int) -> list[bytes]:
    allowed = [_jump(_EQUAL, pid, 2, 0), _jump(_EQUAL, 0, 1, 0), _return(_ERROR | errno.EPERM)]
    return _for(number, [_load(_ARGUMENTS), *allowed, _return(_ALLOW)])


def _only_with_bits(number: int, argument: int, bits: int, *, wanted: bool) -> list[bytes]:
    """Allow the call where any of ``bits`` is set in the argument (or, not ``wanted``, where none is)."""
    refuse, allow = _return(_ERROR | errno.EPERM), _return(_ALLOW)
    then, otherwise = (allow, refuse) if wanted else (refuse, allow)
    return _for(number, [_load(_ARGUMENTS + 8 * argument), _jump(_ANY_BIT, bits, 0, 1), then, otherwise])


def _for(number: int, rules: list[bytes]) -> list[bytes]:
    """Apply ``rules``, all of whose ways end in a return, to one system call; pass over them for any other."""
    return [_jump(_EQUAL, number, 0, len(rules)), *rules]


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", _LOAD, 0, 0, offset)


def _jump(test: int, value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("=HBBI", test, then, otherwise, value)


def _return(value: int) -> bytes:
    return struct.pack("=HBBI", _RETURN, 0, 0, value)
