"""Toxiproxy by its HTTP API: a proxy before each server, and what is done to the connections through it."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

from infra.local.servers import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.ports import Ports

LIMIT_S = 10.0


class Proxies:
    """One proxy a broker, named ``1``, ``2`` …, and one named ``store``."""

    def __init__(self, ports: Ports) -> None:
        self._url = f"http://{HOST}:{ports.proxies}/proxies"
        ways = {str(number): (broker.proxy, broker.behind) for number, broker in enumerate(ports.brokers, start=1)}
        for name, (here, there) in {**ways, "store": (ports.s3_proxy, ports.s3)}.items():
            self._ask("POST", "", {"name": name, "listen": f"{HOST}:{here}", "upstream": f"{HOST}:{there}"})

    def spoil(self, name: str, kind: str, amount: int) -> None:
        """Spoil one server's connections until `heal`: ``reset``, ``latency`` (ms) or ``bandwidth`` (KB/s)."""
        toxic, attributes = {
            "reset": ("reset_peer", {"timeout": 0}),
            "latency": ("latency", {"latency": amount, "jitter": amount // 4}),
            "bandwidth": ("bandwidth", {"rate": amount}),
        }[kind]
        streams = ("downstream",) if kind == "reset" else ("upstream", "downstream")
        for stream in streams:
            what = {"name": f"{kind}-{stream}", "type": toxic, "stream": stream, "attributes": attributes}
            self._ask("POST", f"/{name}/toxics", what)

    def heal(self, name: str) -> None:
        """Leave this server's connections alone again."""
        for toxic in self._ask("GET", f"/{name}/toxics"):
            self._ask("DELETE", f"/{name}/toxics/{toxic['name']}")

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None
