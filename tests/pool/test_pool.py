"""Calls, and what becomes of those that crash, hang or swell. The children are real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from schemas.errors import Permanent, Reason, Transient, Unavailable
from streams.runtime.pool import Pool, PoolClosed, PoolStartError
from tests.pool.conftest import ask, whole
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.pool.conftest import MakePool


def fails_with(pool: Pool, verb: str, argument: object = None) -> Permanent:
    """Return the error of a call that must fail for good."""
    with pytest.raises(Permanent) as caught:
        ask(pool, verb, argument)
    return caught.value


def pid_of(pool: Pool) -> int:
    """Return the process id of the child that answers next."""
    pid: int = json.loads(ask(pool, "about"))["pid"]
    return pid


def test_bytes_go_in_and_come_out_unharmed(make_pool: MakePool) -> None:
    """Megabytes, odd sizes and nothing at all cross the border in both directions."""
    pool = make_pool()

    for data in (b"", b"x", os.urandom(65537), os.urandom(5_000_000)):
        answer = whole(pool, "echo", data=data)

        assert [bytes(part) for part in answer.parts] == [data, b"", data[::-1]]


def test_options_reach_the_entry_point(make_pool: MakePool) -> None:
    """What the pool was given, the entry point is given in the child."""
    assert json.loads(ask(make_pool(options={"limit": 7}), "options")) == {"limit": 7}


def test_a_reason_crosses_the_border(make_pool: MakePool) -> None:
    """A Permanent error raised in the child is raised with its reason and detail here, and costs no process."""
    pool = make_pool()
    pid = pid_of(pool)

    error = fails_with(pool, "fail", "truncated")

    assert (error.reason, error.detail) == (Reason.TRUNCATED, "as told")
    assert pid_of(pool) == pid


def test_a_bug_in_the_child_fails_one_call(make_pool: MakePool) -> None:
    """An unforeseen exception is that call's, by type and text; the child goes on."""
    pool = make_pool()
    pid = pid_of(pool)

    error = fails_with(pool, "raise", "off by one")

    assert (error.reason, error.detail) == (Reason.INTERNAL, "RuntimeError: off by one")
    assert pid_of(pool) == pid


def test_a_refused_allocation_is_out_of_memory(make_pool: MakePool) -> None:
    """MemoryError in the child says what it was."""
    assert fails_with(make_pool(), "exhaust").reason is Reason.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("verb", "argument", "words"),
    [
        ("signal", int(signal.SIGSEGV), "SIGSEGV"),
        ("abort", "free(): invalid pointer", "SIGABRT: free(): invalid pointer"),
        ("exit", 3, "exit code 3"),
    ],
)
def test_a_crash_costs_its_own_call_only(make_pool: MakePool, verb: str, argument: object, words: str) -> None:
    """A child that dies is RENDERER_CRASHED, told with how it died and its last words; the next call gets a new one."""
    pool = make_pool()
    pid = pid_of(pool)

    error = fails_with(pool, verb, argument)

    assert error.reason is Reason.RENDERER_CRASHED
    assert words in error.detail
    assert pid_of(pool) != pid
    assert pool.stats().crashed == 1


def test_killed_by_somebody_else_is_not_the_images_fault(make_pool: MakePool) -> None:
    """SIGKILL that was not ours (an operator, the kernel out of memory) is transient: the work is tried again."""
    with pytest.raises(Transient, match="from outside"):
        ask(make_pool(), "signal", int(signal.SIGKILL))


@pytest.mark.parametrize("verb", ["sleep", "spin"])
def test_a_hang_is_killed_at_the_time_limit(make_pool: MakePool, verb: str) -> None:
    """Idle or busy, a child that does not answer in time is TIMED_OUT, soon after the limit, and replaced."""
    pool = make_pool(time_limit_s=0.3)
    pid = pid_of(pool)
    began = time.monotonic()

    error = fails_with(pool, verb, 60)

    assert error.reason is Reason.TIMED_OUT
    assert time.monotonic() - began < 2
    assert not psutil.pid_exists(pid)
    assert pid_of(pool) != pid


def test_a_child_that_does_not_read_is_killed_too(make_pool: MakePool) -> None:
    """The time limit holds while the request is still being sent: a stopped child takes no bytes."""
    pool = make_pool(time_limit_s=0.3)
    os.kill(pid_of(pool), signal.SIGSTOP)

    with pytest.raises(Permanent) as caught:
        ask(pool, "echo", data=bytes(32 << 20))

    assert caught.value.reason is Reason.TIMED_OUT


def test_a_balloon_is_killed_at_the_memory_limit(make_pool: MakePool) -> None:
    """Memory that grows past the limit ends as OUT_OF_MEMORY, long before the machine feels it."""
    pool = make_pool(memory_limit_bytes=100 << 20)

    error = fails_with(pool, "balloon", 4 << 20)

    assert error.reason is Reason.OUT_OF_MEMORY
    assert "100 MiB are allowed" in error.detail
    assert ask(pool, "echo") == b"echo"


@pytest.mark.parametrize(("verb", "argument"), [("babble", None), ("huge", 2 << 20), ("mislabel", None)])
def test_a_child_that_lies_is_killed(make_pool: MakePool, verb: str, argument: object) -> None:
    """Nonsense for a frame, more bytes than allowed, an unknown reason: no answer, and no more of this child."""
    pool = make_pool(answer_limit_bytes=1 << 20)
    pid = pid_of(pool)

    assert fails_with(pool, verb, argument).reason is Reason.RENDERER_CRASHED
    assert pid_of(pool) != pid


def test_an_answer_that_its_reader_refuses_is_a_lie(make_pool: MakePool) -> None:
    """Whoever knows what answers mean checks them in the call; what fails the check costs the child."""
    pool = make_pool()
    pid = pid_of(pool)

    with pytest.raises(Permanent) as caught:
        pool.call(json.dumps(["echo", None]).encode(), b"", lambda answer: int(answer.head))

    assert caught.value.reason is Reason.RENDERER_CRASHED
    assert pid_of(pool) != pid


def test_neighbours_are_not_disturbed(make_pool: MakePool) -> None:
    """While one child hangs, one swells and one crashes, calls beside them are answered by one and the same child."""
    pool = make_pool(processes=4, time_limit_s=1.0, memory_limit_bytes=100 << 20)
    pool.start()
    with ThreadPoolExecutor(4) as threads:
        bad = [threads.submit(ask, pool, *command) for command in (("spin",), ("balloon", 4 << 20), ("abort", "x"))]
        good = threads.submit(lambda: [ask(pool, "echo", data=bytes(100_000)) for _ in range(100)])

        assert good.result() == [b"echo"] * 100
        reasons = {error.reason for each in bad if isinstance(error := each.exception(), Permanent)}

    assert reasons == {Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.RENDERER_CRASHED}
    assert pool.stats().calls == 100


def test_many_threads_share_few_children(make_pool: MakePool) -> None:
    """Every caller gets its own answer, however many wait, and never more children exist than there are places."""
    pool = make_pool(processes=2)

    with ThreadPoolExecutor(16) as threads:
        sent = [os.urandom(1 + 997 * number) for number in range(200)]
        answers = list(threads.map(lambda data: bytes(whole(pool, "echo", data=data).parts[0]), sent))

    assert answers == sent
    assert (pool.stats().started, pool.stats().alive, pool.stats().busy) == (2, 2, 0)


def test_a_child_is_recycled(make_pool: MakePool) -> None:
    """After its number of calls a child goes, between two calls, and a fresh one takes over."""
    pool = make_pool(recycle_after=3)

    pids = [pid_of(pool) for _ in range(7)]

    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert pool.stats().recycled == 2


def test_lost_and_recycled_children_leave_no_descriptor(make_pool: MakePool) -> None:
    """However many children come and go, the parent holds what one of them needs, and no more threads."""
    pool, us = make_pool(recycle_after=2), psutil.Process()
    ask(pool, "echo")
    before = (us.num_fds(), us.num_threads())

    for _ in range(4):
        fails_with(pool, "exit", 3)
        for _ in range(3):
            ask(pool, "echo")

    def as_few() -> bool:  # fewer, where what other tests left behind has ended meanwhile
        return us.num_fds() <= before[0] and us.num_threads() <= before[1]

    # Perhaps a replacement is being launched this moment, which takes a few for as long as that lasts.
    wait_until(as_few, 5, what="as few descriptors and threads as before")


def test_a_child_that_died_idle_is_replaced_unseen(make_pool: MakePool) -> None:
    """A child that was killed between two calls costs no call."""
    pool = make_pool()
    child = psutil.Process(pid_of(pool))
    child.kill()
    wait_until(lambda: child.status() == psutil.STATUS_ZOMBIE, 5)

    assert pid_of(pool) != child.pid


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("refusing", "ValueError: no such thing as a recipe"),
        ("dying", "SIGABRT"),
        ("missing", "has no attribute 'missing'"),
    ],
)
def test_a_start_that_fails_is_a_clear_error(make_pool: MakePool, entry: str, words: str) -> None:
    """start() says what the child said, once; nothing keeps trying."""
    pool = make_pool(entry, options="a recipe", processes=2)

    with pytest.raises(PoolStartError, match=words):
        pool.start()

    assert pool.stats().started == 0


def test_a_pool_that_cannot_start_is_unavailable_and_recovers(make_pool: MakePool) -> None:
    """Without a child that starts, calls fail as for a service that is down, few processes are tried, then it heals."""
    before = len(psutil.Process().children())
    pool = make_pool("failing_for", options=time.monotonic() + 1.0)

    for _ in range(50):
        with pytest.raises(Unavailable, match="not yet"):
            ask(pool, "echo")

    assert len(psutil.Process().children()) == before
    assert wait_until(lambda: ask(pool, "echo"), 10) == b"echo"


def test_close_while_busy_wakes_everybody(make_pool: MakePool) -> None:
    """Callers in a child and callers in line all get PoolClosed at once, which is transient; later ones too."""
    pool = make_pool(processes=2)
    pool.start()
    with ThreadPoolExecutor(5) as threads:
        calls = [threads.submit(ask, pool, "sleep", 60) for _ in range(5)]
        wait_until(lambda: (pool.stats().busy, pool.stats().waiting) == (2, 3), 10)
        began = time.monotonic()

        pool.close()

        assert all(isinstance(call.exception(), PoolClosed) for call in calls)
    assert time.monotonic() - began < 5
    with pytest.raises(PoolClosed):
        ask(pool, "echo")


def test_close_while_starting(make_pool: MakePool) -> None:
    """A pool may be closed before its children are up; closing twice is fine."""
    pool = make_pool(processes=3)
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(pool.start)

        pool.close()
        pool.close()

        assert isinstance(started.exception(10), PoolClosed | None)
