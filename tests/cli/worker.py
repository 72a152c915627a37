"""A worker process that a test started, and what it says of itself."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

LIMIT_S = 20.0


class RunningWorker:
    """Reads the worker's log as it comes, so that its pipe never fills."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self.other: list[str] = []
        # The pipe is the thread's own: whoever ends the process must not close it while it is being read.
        stream, process.stderr = process.stderr, None
        assert stream is not None
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    @property
    def port(self) -> int:
        """The health port; 0 until the worker has started."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self.process.returncode}: {self.other} {self.log[-3:]}")
        return next((int(line["http_port"]) for line in self.log if line["event"] == "worker_started"), 0)

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and body of a health path."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of one event."""
        return [line for line in list(self.log) if line["event"] == name]

    def end(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.terminate()
        return self.process.wait(LIMIT_S)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.other.append(line)
