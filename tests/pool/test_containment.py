"""What a child cannot do: reach the network, the parent's secrets, other processes, or change a file."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from streams.runtime import pool_landlock, pool_seccomp
from streams.runtime.pool_contain import Containment
from tests.pool.conftest import ask
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.runtime.pool import Pool
    from tests.pool.conftest import MakePool

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's sandboxes are Linux's")


def about(pool: Pool) -> dict[str, Any]:
    """Return what a child says of itself."""
    said: dict[str, Any] = json.loads(ask(pool, "about"))
    return said


def attempt(pool: Pool, *what: object) -> str:
    """Return how a forbidden thing went: ``refused: …`` or ``done: …``."""
    return ask(pool, "try", list(what)).decode()


@pytest.fixture
def pool(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Return a pool whose parent has a secret in its environment."""
    monkeypatch.setenv("DARKROOM_STORE__SECRET_KEY", "hunter2")
    return make_pool(environment={"VIPS_CONCURRENCY": "1"})


@pytest.fixture
def listener() -> Iterator[int]:
    """Yield the port of a server that would answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_environment_is_what_was_given(pool: Pool) -> None:
    """Nothing of the parent's environment is inherited; what is given arrives."""
    environment = about(pool)["environment"]

    assert environment.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own, made in the child
    assert environment == {"VIPS_CONCURRENCY": "1"}


def test_no_descriptor_is_inherited(pool: Pool, tmp_path: Path) -> None:
    """Open files and sockets of the parent, even inheritable ones, are not open in the child: one socket is."""
    with socket.socket() as mine, (tmp_path / "file").open("w") as file:
        for fd in (mine.fileno(), file.fileno()):
            os.set_inheritable(fd, True)  # noqa: FBT003

        assert len([fd for fd in about(pool)["fds"] if fd > 2]) == 1


def test_it_is_nice_and_has_a_session_of_its_own(pool: Pool) -> None:
    """Pixels come after heartbeats; Ctrl-C in a terminal does not reach the children; no folder is held."""
    said = about(pool)

    assert said["nice"] == os.nice(0) + pool.settings.niceness
    assert said["session"] == said["pid"]
    assert said["directory"] == "/"


def test_the_parents_main_module_is_not_imported(pool: Pool) -> None:
    """A child loads the entry point's module and what that needs: no Kafka or S3 client, no test runner."""
    assert not {"confluent_kafka", "minio", "pytest"} & set(about(pool)["modules"])


def test_limits_hold(pool: Pool) -> None:
    """No core dumps, and no file larger than what a crash may say."""
    child = psutil.Process(about(pool)["pid"])

    assert child.rlimit(resource.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(resource.RLIMIT_FSIZE) == (65536, 65536)


@linux
def test_no_sockets(pool: Pool, listener: int) -> None:
    """No socket of any family can be made."""
    assert attempt(pool, "connect", listener) == "refused: PermissionError"
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        assert attempt(pool, "socket", int(family), int(socket.SOCK_DGRAM)) == "refused: PermissionError"


@linux
def test_no_file_can_be_changed(pool: Pool, tmp_path: Path) -> None:
    """Nothing can be written, made, removed, renamed, emptied or given other rights."""
    victim = tmp_path / "victim"
    victim.write_text("whole")
    tmp_path.chmod(0o777)

    for act in ("write", "remove", "rename", "chmod", "truncate"):
        assert attempt(pool, act, str(victim)).startswith("refused"), act
    for act in ("write", "make"):
        assert attempt(pool, act, str(tmp_path / "new")).startswith("refused"), act

    assert [path.name for path in tmp_path.iterdir()] == ["victim"]
    assert victim.read_text() == "whole"


@linux
def test_no_file_but_code_can_be_read(pool: Pool, tmp_path: Path) -> None:
    """Neither files of credentials nor the parent's environment can be read; a late import still works."""
    secret = tmp_path / "credentials"
    secret.write_text("hunter2")

    for path in (secret, f"/proc/{os.getpid()}/environ", "/etc/passwd", ".darkroom/local.toml"):
        assert attempt(pool, "read", str(path)).startswith("refused"), path
    assert attempt(pool, "list", str(tmp_path)).startswith("refused")
    assert attempt(pool, "import", "fractions") == "done: fractions"


@linux
def test_no_hands_on_other_processes(pool: Pool) -> None:
    """No new process, no signal to the parent, no look into its memory; threads are fine."""
    for act in (("run",), ("fork",), ("kill", os.getpid()), ("memory", os.getpid()), ("ptrace", os.getpid())):
        assert attempt(pool, *act).startswith("refused"), act
    assert attempt(pool, "thread") == "done: None"


@linux
@pytest.mark.parametrize("missing", [pool_landlock, pool_seccomp])
def test_each_layer_alone_stops_writing_and_the_network(missing: object, tmp_path: Path) -> None:
    """Where the kernel lacks one layer the other still holds, and what is missing is said."""
    name = missing.__name__.rpartition("_")[2]  # type: ignore[attr-defined]
    script = f"""
import json, socket
from pathlib import Path
from streams.runtime import pool_contain, pool_landlock, pool_seccomp
def absent(): raise OSError(38, "no such kernel")
pool_{name}.restrict = absent
containment = pool_contain.contain()
def refused(act):
    try: act()
    except OSError: return True
    return False
write = refused(lambda: Path({str(tmp_path / "x")!r}).write_text("x"))
net = refused(lambda: socket.create_connection(("127.0.0.1", 1), timeout=1).close())
print(json.dumps([write, net, sorted(containment.missing)]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert json.loads(done.stdout) == [True, True, [name]]
    assert not (tmp_path / "x").exists()


def test_what_is_missing_is_reported_by_name() -> None:
    """The report survives its way through the socket."""
    sent = Containment(["limits", "seccomp"], {"landlock": "[Errno 38] Function not implemented"})

    assert Containment.decode(sent.encode()) == sent


@linux
@pytest.mark.parametrize("verb", ["spin", "idle"])
def test_children_die_with_their_parent(verb: str) -> None:
    """A parent that is killed leaves no child, not even one that is busy and never looks at its socket."""
    script = f"""
import json, sys, threading, time
from streams.runtime.pool import Pool, PoolSettings
pool = Pool(PoolSettings("renderer", "tests.pool.entries:obedient"))
pid = pool.call(b'["about", null]', b"", lambda answer: json.loads(answer.head)["pid"])
if {verb!r} == "spin":
    threading.Thread(target=pool.call, args=(b'["spin", null]', b"", len)).start()
print(pid, file=sys.stderr, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as parent:
        assert parent.stderr is not None
        child = psutil.Process(int(parent.stderr.readline()))
        parent.send_signal(signal.SIGKILL)

    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
