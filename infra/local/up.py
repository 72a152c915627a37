"""`just up`: the real stack on its usual ports, with topics, offsets, subjects and buckets, and the file naming it all.

Repeating it starts what has stopped and makes what is missing. Data and schema ids stay until `just down --wipe`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import psutil
from minio import Minio

from infra.local import fetch, ports, servers, state
from infra.local.kafka_cluster import KafkaError
from infra.local.paths import LOCAL_TOML, ROOT, UP
from infra.local.processes import Known, stop
from infra.local.stack import StackError, parts, start_stack

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = UP / "data"
LOGS = UP / "logs"
BUCKETS = ("uploads", "darkroom")
"""The defaults of the settings `store.upload_bucket` and `store.bucket`."""
VERBS = (
    ("topics", "create"),
    ("schemas", "register"),
    ("offsets", "init", "--to", "earliest"),
)


UNREACHABLE = 3
"""The exit code with which darkroom says that a service did not answer."""
ATTEMPTS = 5


class UpError(Exception):
    """The stack cannot be started as asked; the message says what to do."""


def main() -> int:
    """Bring the stack up and print where it is."""
    parser = argparse.ArgumentParser(prog="just up", description="Start Kafka, MinIO and the registry on usual ports.")
    parser.add_argument(
        "--brokers", type=int, choices=(1, 3), help="size of the Kafka cluster (default: 1, or as it is)"
    )
    signal.signal(signal.SIGTERM, _interrupt)
    before = state.recorded()
    running = state.Recorded(before)
    try:
        brokers = _cluster_size(parser.parse_args().brokers)
        fetch.fetch(parts())
        chosen = ports.usual(brokers)
        _complain_about_taken_ports(chosen, before)
        start_stack(chosen, DATA, LOGS, running, bound_to_us=False)
        _furnish(chosen)
        _say(chosen, running)
    except BaseException as error:  # whatever it is: nothing half-started stays
        stop([each for each in running if each not in before], at_once=False)
        state.record(before)
        if isinstance(error, KeyboardInterrupt):
            print("interrupted; what this command had started is stopped again", file=sys.stderr)
            return 130
        if not isinstance(error, (UpError, StackError, KafkaError, fetch.FetchError)):
            raise
        print(error, file=sys.stderr)
        return 2
    return 0


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _cluster_size(asked: int | None) -> int:
    """Return how many brokers to run: data made by one cluster cannot be served by one of another size."""
    there = len(list(DATA.glob("kafka-*.properties")))
    if asked and there and asked != there:
        raise UpError(
            f"the data in {DATA.relative_to(ROOT)} belong to a cluster of {there}; "
            f"`just down --wipe` removes them, then `just up --brokers {asked}` makes a new one"
        )
    return asked or there or 1


def _complain_about_taken_ports(chosen: ports.Ports, running: Iterable[Known]) -> None:
    ours = {each.name for each in running}
    wanted = [servers.minio(chosen, DATA, console=True), servers.registry(chosen, DATA)]
    roles = {port: server.name for server in wanted for port in server.ports if server.name not in ours}
    for index, broker in enumerate(chosen.brokers, start=1):
        if f"kafka-{index}" not in ours:
            roles |= dict.fromkeys((broker.plain, broker.sasl, broker.controller), f"kafka-{index}")
    taken = [f"  - port {port} (for {role}): {_holder(port)}" for port, role in roles.items() if not ports.unused(port)]
    if taken:
        raise UpError("\n".join(["these ports are taken by other programs; stop them, then `just up` again:", *taken]))


def _holder(port: int) -> str:
    """Say who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f"held by {psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:
        pass
    return "held by a process that this user may not see"


def _furnish(chosen: ports.Ports) -> None:
    """Write the configuration, then make buckets, topics, subjects and first offsets, unless they are there."""
    LOCAL_TOML.write_text(_configuration(chosen))
    client = Minio(
        f"{servers.HOST}:{chosen.s3}", servers.ACCESS_KEY, servers.SECRET_KEY, secure=False, region="us-east-1"
    )
    for bucket in BUCKETS:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    for verb in VERBS:
        _darkroom(verb)


def _darkroom(verb: tuple[str, ...]) -> None:
    """Run a darkroom command; servers that have just started may need longer than its patience, so not only once."""
    for attempt in range(ATTEMPTS):
        answer = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *verb],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"DARKROOM_CONFIG": str(LOCAL_TOML)},
        )
        if answer.returncode == 0:
            return
        if answer.returncode != UNREACHABLE or attempt == ATTEMPTS - 1:
            raise UpError(f"`darkroom {' '.join(verb)}` failed:\n{answer.stdout}{answer.stderr}")


def _configuration(chosen: ports.Ports) -> str:
    where = servers.description(chosen, DATA)
    count = len(chosen.brokers)
    return f"""\
# Written by `just up`: every darkroom command run in this folder or below finds it by itself.

[kafka]
bootstrap_servers = "{where["bootstrap"]}"

[registry]
url = "{where["registry_url"]}"

[store]
endpoint = "{where["s3_endpoint"]}"
access_key = "{where["s3_access_key"]}"
secret_key = "{where["s3_secret_key"]}"
secure = false

[topics]
replication = {count}
min_isr = {2 if count > 1 else 1}
"""


def _say(chosen: ports.Ports, running: Iterable[Known]) -> None:
    where = servers.description(chosen, DATA)
    print(f"Kafka     {where['bootstrap']}   (SASL_SSL: {where['sasl_bootstrap']})")
    print(f"MinIO     http://{where['s3_endpoint']}   console http://{servers.HOST}:{chosen.console}")
    print(f"          user {where['s3_access_key']}, password {where['s3_secret_key']}")
    print(f"Registry  {where['registry_url']}")
    print(f"Processes {', '.join(f'{each.name} {each.pid}' for each in running)}")
    print(f"Logs      {LOGS.relative_to(ROOT)}; configuration {LOCAL_TOML.relative_to(ROOT)}")
    print("Next      .venv/bin/darkroom worker, and in another shell .venv/bin/darkroom publish PATH --wait")


if __name__ == "__main__":
    sys.exit(main())
