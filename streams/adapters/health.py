"""What a worker answers over HTTP: /livez says it works, /readyz whether it can do its job now, /metrics its figures.

Liveness never fails because Kafka or the store is down: killing the worker would not bring them back. What is said is
handed in; this only serves it, and asks another worker for it.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class HealthError(DarkroomError):
    """The address cannot be had, or nobody answers there."""


Readiness = tuple[bool, "Mapping[str, Any]"]
"""Whether the worker is ready or live, and the facts (with a ``reason`` where it is not)."""

OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503
JSON = "application/json"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
ASK_S = 3.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the answers come from; each is called by a thread of the server."""

    live: Callable[[], Readiness]
    ready: Callable[[], Readiness]
    metrics: Callable[[], bytes]


@contextmanager
def serve_health(host: str, port: int, answers: Answers) -> Iterator[int]:
    """Serve while the context lasts and yield the port. Raise `HealthError` if the address cannot be had."""
    try:
        server = ThreadingHTTPServer((host, port), _handler(answers))
    except OSError as error:
        raise HealthError(f"cannot serve health on {host}:{port}: {error.strerror}") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def ask_worker(address: str) -> Mapping[str, Any]:
    """Return what a worker at ``host:port`` says of its readiness. Raise `HealthError` if nobody answers there."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=ASK_S) as answer:
            said = answer.read()
    except urllib.error.HTTPError as unready:
        said = unready.read()
    except (OSError, ValueError) as error:
        raise HealthError(f"{address}: {error}") from error
    try:
        found: Mapping[str, Any] = json.loads(said)
    except ValueError as error:
        raise HealthError(f"{address} is no worker's http port") from error
    return found


def _handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    def answer(path: str) -> tuple[int, str, bytes]:
        if path == "/livez":
            live, facts = answers.live()
            return (OK if live else UNAVAILABLE), JSON, _json({"live": live, **facts})
        if path == "/readyz":
            ready, facts = answers.ready()
            return (OK if ready else UNAVAILABLE), JSON, _json({"ready": ready, **facts})
        if path == "/metrics":
            return OK, METRICS, answers.metrics()
        return NOT_FOUND, JSON, _json({"paths": ["/livez", "/readyz", "/metrics"]})

    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        """Seconds that a silent client may hold a thread."""

        def do_GET(self) -> None:
            status, kind, body = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's names
            """Log nothing: a probe every few seconds is no event."""

    return Handler


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, default=str).encode()
