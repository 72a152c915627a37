"""Small things that many tests need: waiting for a condition with a limit, and the addresses of the real stack."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the servers of this test run listen. Topics, groups, subjects and buckets are the test's to make."""

    bootstrap: str
    """Kafka's PLAINTEXT listener, `host:port`."""
    s3_endpoint: str
    """`host:port`, plain HTTP."""
    s3_access_key: str
    s3_secret_key: str
    registry_url: str
    """The base URL of the registry's Confluent-compatible API."""
    sasl_bootstrap: str = ""
    """Kafka's SASL_SSL listener."""
    sasl_client: dict[str, str] = field(default_factory=dict)
    """The librdkafka settings that a client of `sasl_bootstrap` needs, without `bootstrap.servers`."""

    @classmethod
    def read(cls, path: Path) -> Stack:
        """Return the stack that the JSON file describes; what it says beyond these fields is left aside."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in json.loads(path.read_text()).items() if name in known})


def wait_until(condition: Callable[[], T], limit: float, *, what: str = "the condition", pause: float = 0.05) -> T:
    """Return the condition's value as soon as it is true; fail after ``limit`` seconds.

    An exception counts as "not yet", and is shown if it stays: servers refuse connections until they are ready.
    """
    end = time.monotonic() + limit
    while True:
        error: Exception | None = None
        try:
            if value := condition():
                return value
        except Exception as caught:  # noqa: BLE001 - whatever it is, it is reported below
            error = caught
        if time.monotonic() >= end:
            message = f"{what} did not come true within {limit} s"
            raise AssertionError(message) from error
        time.sleep(pause)
