"""Port numbers for the local stack: the usual ones for `just up`, free ones for a test run."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

FREE = range(20_000, 32_000)
"""Below the range from which systems give ports to outgoing connections, so that none is taken between look and use."""


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """The listeners of one broker."""

    plain: int
    sasl: int
    controller: int
    behind: int = 0
    """A fourth listener, for clients that come through a proxy; 0: none."""
    proxy: int = 0
    """Where that proxy listens, which is what the fourth listener advertises."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of one stack."""

    brokers: tuple[BrokerPorts, ...]
    s3: int
    console: int
    registry: int
    s3_proxy: int = 0
    proxies: int = 0
    """Toxiproxy's own API; 0: no proxies."""


def usual(brokers: int) -> Ports:
    """Return the ports under which people expect these servers."""
    each = tuple(BrokerPorts(9092 + index, 9192 + index, 9292 + index) for index in range(brokers))
    return Ports(each, s3=9000, console=9001, registry=8081)


def free(brokers: int, *, proxied: bool = False) -> Ports:
    """Return ports that nobody listens on; ``proxied``: also those of a way through Toxiproxy."""
    each = 5 if proxied else 3
    wanted = each * brokers + (5 if proxied else 3)
    candidates = iter(random.sample(FREE, len(FREE)))
    found: list[int] = []
    while len(found) < wanted:
        port = next(candidates)
        if unused(port):
            found.append(port)
    own = tuple(BrokerPorts(*found[each * index : each * (index + 1)]) for index in range(brokers))
    return Ports(own, *found[each * brokers :])


def unused(port: int) -> bool:
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only lingers does not count as taken
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
