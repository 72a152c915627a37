"""Two HTTP answers about a worker: /livez says the process works, /readyz says whether it can do its job now.

Liveness never fails because Kafka or the store is down: killing the worker would not bring them back. The checks behind
readiness are handed in; this only serves what they say.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class HealthError(DarkroomError):
    """The address cannot be had."""


Readiness = tuple[bool, "Mapping[str, Any]"]
"""Whether the worker is ready, and the facts (with a ``reason`` where it is not)."""

OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503


@contextmanager
def serve_health(host: str, port: int, live: Callable[[], bool], ready: Callable[[], Readiness]) -> Iterator[int]:
    """Serve while the context lasts and yield the port. Raise `HealthError` if the address cannot be had."""
    try:
        server = ThreadingHTTPServer((host, port), _handler(live, ready))
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


def _handler(live: Callable[[], bool], ready: Callable[[], Readiness]) -> type[BaseHTTPRequestHandler]:
    def answer(path: str) -> tuple[int, Mapping[str, Any]]:
        if path == "/livez":
            return (OK, {"live": True}) if live() else (UNAVAILABLE, {"live": False})
        if path == "/readyz":
            is_ready, facts = ready()
            return (OK if is_ready else UNAVAILABLE), {"ready": is_ready, **facts}
        return NOT_FOUND, {"paths": ["/livez", "/readyz"]}

    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        """Seconds that a silent client may hold a thread."""

        def do_GET(self) -> None:
            status, facts = answer(self.path.partition("?")[0])
            body = json.dumps(facts, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's names
            """Log nothing: a probe every few seconds is no event."""

    return Handler
