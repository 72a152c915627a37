"""What runs in the local stack: command, environment, ports and readiness of each server. Nothing is started here."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from infra.local.ports import Ports

ACCESS_KEY = "darkroom"
SECRET_KEY = "darkroom-secret"
HOST = "127.0.0.1"
JAVA = ("java", "-XX:+UseSerialGC", "-XX:-UsePerfData")
"""A small heap on two cores: the collector without threads of its own is the fastest."""


@dataclass(frozen=True, slots=True)
class Server:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    ports: tuple[int, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str]


def minio(ports: Ports, data: Path, *, console: bool) -> Server:
    """Describe MinIO on one folder."""
    program = fetch.minio().folder / "minio"
    command = [str(program), "server", str(data / "minio"), "--address", f"{HOST}:{ports.s3}"]
    command += ["--certs-dir", str(data / "minio-certs")]  # else it looks into the home folder
    if console:
        command += ["--console-address", f"{HOST}:{ports.console}"]
    environment = {
        "HOME": str(data),  # it makes a folder of its own there
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_BROWSER": "on" if console else "off",
        "MINIO_UPDATE": "off",  # it would ask the internet for a newer version
    }
    taken = (ports.s3, ports.console) if console else (ports.s3,)
    return Server("minio", tuple(command), taken, lambda: _answers(ports.s3, "/minio/health/ready"), environment)


def registry(ports: Ports, data: Path) -> Server:
    """Describe the schema registry, its database a file: schema ids must outlive a restart."""
    jar = next(fetch.registry().folder.glob("*-runner.jar"))
    properties = {
        "quarkus.http.port": ports.registry,
        "quarkus.http.host": HOST,
        "apicurio.datasource.url": f"jdbc:h2:file:{data / 'registry'}",
        "quarkus.log.level": "WARN",
    }
    options = [f"-D{name}={value}" for name, value in properties.items()]
    command = (*JAVA, "-Xmx400m", "-XX:TieredStopAtLevel=1", *options, "-jar", str(jar))
    return Server(
        "registry", command, (ports.registry,), lambda: _answers(ports.registry, REGISTRY_PATH + "/subjects"), {}
    )


def toxiproxy(ports: Ports) -> Server:
    """Describe Toxiproxy; what it stands before is told to it by whoever started it."""
    program = fetch.toxiproxy().folder / "server"
    command = (str(program), "-host", HOST, "-port", str(ports.proxies))
    return Server("toxiproxy", command, (ports.proxies,), lambda: _answers(ports.proxies, "/version"), {})


REGISTRY_PATH = "/apis/ccompat/v7"


def description(ports: Ports, data: Path) -> dict[str, Any]:
    """Return the addresses as tests and configuration files want them."""
    return {
        "bootstrap": ",".join(f"{HOST}:{broker.plain}" for broker in ports.brokers),
        "sasl_bootstrap": ",".join(f"{HOST}:{broker.sasl}" for broker in ports.brokers),
        "sasl_client": {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": ACCESS_KEY,
            "sasl.password": SECRET_KEY,
            "ssl.ca.location": str(data / "kafka-ca.pem"),
        },
        "s3_endpoint": f"{HOST}:{ports.s3}",
        "s3_access_key": ACCESS_KEY,
        "s3_secret_key": SECRET_KEY,
        "registry_url": f"http://{HOST}:{ports.registry}{REGISTRY_PATH}",
    }


def listening(port: int) -> bool:
    """Tell whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _answers(port: int, path: str) -> bool:
    if not listening(port):
        return False
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, OSError):
        return False
