"""Port numbers for the local stack: the usual ones for `just up`, free ones for a test run."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

FREE = range(20_000, 32_000)
"""Below the range from which systems give ports to outgoing connections, so that none is taken between look and use."""


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """The three listeners of one broker."""

    plain: int
    sasl: int
    controller: int


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of one stack."""

    brokers: tuple[BrokerPorts, ...]
    s3: int
    console: int
    registry: int


def usual(brokers: int) -> Ports:
    """Return the ports under which people expect these servers."""
    each = tuple(BrokerPorts(9092 + index, 9192 + index, 9292 + index) for index in range(brokers))
    return Ports(each, s3=9000, console=9001, registry=8081)


def free(brokers: int) -> Ports:
    """Return ports that nobody listens on."""
    wanted = 3 * brokers + 3
    candidates = iter(random.sample(FREE, len(FREE)))
    found: list[int] = []
    while len(found) < wanted:
        port = next(candidates)
        if unused(port):
            found.append(port)
    each = tuple(BrokerPorts(*found[3 * index : 3 * index + 3]) for index in range(brokers))
    s3, console, registry = found[-3:]
    return Ports(each, s3, console, registry)


def unused(port: int) -> bool:
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only lingers does not count as taken
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
