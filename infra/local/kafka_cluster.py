"""A KRaft cluster of one or three brokers: its configuration, its certificate, its formatted folders.

Each broker has a PLAINTEXT listener and a SASL_SSL one with SCRAM, as production has it. What is set beyond Kafka's
defaults is what one machine needs, what keeps tests quick, and what darkroom's events need.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from infra.local import fetch
from infra.local.paths import HERE
from infra.local.servers import ACCESS_KEY, HOST, JAVA, SECRET_KEY, Server, listening

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.ports import Ports

MECHANISM = "SCRAM-SHA-512"
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
PROTOCOLS = ("PLAINTEXT:PLAINTEXT", "SASL_SSL:SASL_SSL", "PROXIED:PLAINTEXT", "CONTROLLER:PLAINTEXT")
"""Of each listener by its name."""
OFFSETS_PARTITIONS = 10
TRANSACTION_PARTITIONS = 10
WARM_UP_S = 60.0
HEAP = "-Xmx512m"
SHARED_HEAP = "-Xmx320m"
"""Of each of several brokers on one machine."""


class KafkaError(Exception):
    """A tool of Kafka's or Java's failed while a cluster was prepared."""


def servers(ports: Ports, data: Path) -> list[Server]:
    """Describe the brokers; their folders must be prepared before they start."""
    return [_server(ports, data, index) for index in range(len(ports.brokers))]


def _server(ports: Ports, data: Path, index: int) -> Server:
    own = ports.brokers[index]
    log4j = f"-Dlog4j2.configurationFile={HERE / 'kafka' / 'log4j2.properties'}"
    temporary = f"-Djava.io.tmpdir={data}"  # compression libraries unpack themselves there and stay
    heap = HEAP if len(ports.brokers) == 1 else SHARED_HEAP
    command = (*_java(), heap, log4j, temporary, "kafka.Kafka", str(_properties_file(data, index)))
    numbers = (own.plain, own.sasl, own.controller)
    return Server(f"kafka-{index + 1}", command, numbers, lambda: _joined(own.plain, len(ports.brokers)), {})


def prepare(ports: Ports, data: Path) -> None:
    """Write the brokers' configuration; make the certificate and format the folders if that was not done before."""
    data.mkdir(parents=True, exist_ok=True)
    for index in range(len(ports.brokers)):
        lines = [f"{name}={value}" for name, value in _properties(ports, data, index).items()]
        _properties_file(data, index).write_text("\n".join(lines) + "\n")
    _make_certificate(data)
    _format(
        [index for index in range(len(ports.brokers)) if not (_log_folder(data, index) / "meta.properties").exists()],
        data,
    )


def _properties(ports: Ports, data: Path, index: int) -> dict[str, str | int]:
    own, count = ports.brokers[index], len(ports.brokers)
    voters = ",".join(f"{number + 1}@{HOST}:{broker.controller}" for number, broker in enumerate(ports.brokers))
    clients = f"PLAINTEXT://{HOST}:{own.plain},SASL_SSL://{HOST}:{own.sasl}"
    # who comes by this listener is told the proxies' addresses, and so stays behind them
    here, told = (f",PROXIED://{HOST}:{port}" if own.proxy else "" for port in (own.behind, own.proxy))
    safe = 2 if count > 1 else 1
    return {
        "process.roles": "broker,controller",
        "node.id": index + 1,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{clients}{here},CONTROLLER://{HOST}:{own.controller}",
        "advertised.listeners": f"{clients}{told}",
        "listener.security.protocol.map": ",".join(PROTOCOLS),
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.sasl_ssl.{MECHANISM.lower()}.sasl.jaas.config": f"{SCRAM_MODULE} required;",
        # rights are checked where a test grants some; who comes by the PLAINTEXT listener may do everything
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(_keystore(data)),
        "ssl.keystore.password": SECRET_KEY,
        "log.dirs": str(_log_folder(data, index)),
        "default.replication.factor": count,
        "min.insync.replicas": safe,
        "offsets.topic.replication.factor": count,
        "transaction.state.log.replication.factor": count,
        "transaction.state.log.min.isr": safe,
        "share.coordinator.state.topic.replication.factor": count,
        "share.coordinator.state.topic.min.isr": safe,
        # fewer files and a quicker first transaction than the 50 of a large cluster
        "offsets.topic.num.partitions": OFFSETS_PARTITIONS,
        "transaction.state.log.num.partitions": TRANSACTION_PARTITIONS,
        "share.coordinator.state.topic.num.partitions": 1,
        "auto.create.topics.enable": "false",
        # nobody else is going to join: do not wait for them
        "group.initial.rebalance.delay.ms": 0,
        # a killed worker's open transaction holds readers up until it is noticed to have timed out: look every second
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        # offsets live as long as the inputs (35 days), else a fleet that sleeps loses its place
        "offsets.retention.minutes": 35 * 24 * 60,
        # a failed event holds an undecodable original whole (its topic allows it); followers must be able to copy it
        "replica.fetch.max.bytes": 8 * 1024 * 1024,
    }


def _properties_file(data: Path, index: int) -> Path:
    return data / f"kafka-{index + 1}.properties"


def _log_folder(data: Path, index: int) -> Path:
    return data / f"kafka-{index + 1}"


def _keystore(data: Path) -> Path:
    return data / "kafka-keys.p12"


def _java() -> tuple[str, ...]:
    return (*JAVA, "-cp", f"{fetch.kafka().folder / 'libs'}/*")


def _make_certificate(data: Path) -> None:
    """Make a key pair for this machine's own address, and its certificate as a file that clients can trust."""
    certificate = data / "kafka-ca.pem"
    if certificate.exists():
        return
    _keystore(data).unlink(missing_ok=True)
    store = ["-keystore", str(_keystore(data)), "-storetype", "PKCS12", "-storepass", SECRET_KEY, "-alias", "broker"]
    name = ["-dname", "CN=localhost", "-ext", f"SAN=DNS:localhost,IP:{HOST}", "-validity", "3650"]
    _run(["keytool", "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", *name, *store])
    _run(["keytool", "-exportcert", "-rfc", "-file", str(certificate), *store])


def _format(indices: list[int], data: Path) -> None:
    """Format the folders with one cluster id and one SCRAM user, side by side: each tool takes a second to start."""
    cluster = _cluster_id()
    user = f"{MECHANISM}=[name={ACCESS_KEY},password={SECRET_KEY}]"
    tool = [*_java(), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--cluster-id", cluster]
    started = [
        subprocess.Popen(
            [*tool, "--add-scram", user, "--config", str(_properties_file(data, index))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in indices
    ]
    for process in started:
        said, _ = process.communicate()
        if process.returncode != 0:
            raise KafkaError(f"formatting Kafka's folder failed:\n{said}")


def _cluster_id() -> str:
    """Return a random id as Kafka makes them: never with a dash in front, which the tool would take for an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def _run(command: list[str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    if answer.returncode != 0:
        raise KafkaError(f"`{command[0]} {command[1]}` failed:\n{answer.stdout}{answer.stderr}")


def warm_up(ports: Ports) -> None:
    """Have the brokers make the topic of the groups' offsets and load each of its partitions.

    They do so at the first question about a group, and until it is done librdkafka's admin calls about groups may get
    no answer. A consumer asks until it gets one. Names that differ by one in their last letter hash to neighbouring
    partitions, so these reach every one.
    """
    bootstrap = ",".join(f"{HOST}:{broker.plain}" for broker in ports.brokers)
    topic = KafkaPartition("__consumer_offsets", 0)  # any topic would do, this one is there
    for number in range(OFFSETS_PARTITIONS):
        settings = {"bootstrap.servers": bootstrap, "group.id": f"warm-up-{number}", "log_level": 0}
        client = Consumer(settings)
        try:
            _ask_until_answered(client, topic)
        finally:
            client.close()


def _ask_until_answered(client: Consumer, topic: KafkaPartition) -> None:
    """Ask for a position; a coordinator that is not one yet says so, and is asked again."""
    end = time.monotonic() + WARM_UP_S
    while True:
        try:
            client.committed([topic], timeout=WARM_UP_S)
        except KafkaException as error:
            if time.monotonic() >= end:
                raise KafkaError(f"Kafka's group coordinator did not answer: {error}") from error
            time.sleep(0.1)
        else:
            return


def _joined(port: int, brokers: int) -> bool:
    """Tell whether the broker answers and sees the whole cluster."""
    if not listening(port):
        return False
    try:
        client = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
        return len(client.list_topics(timeout=2).brokers) == brokers
    except KafkaException:
        return False
