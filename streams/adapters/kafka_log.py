"""Bring librdkafka's own log lines into structlog, and let somebody listen to them. Configures nothing.

librdkafka hands its lines to whoever polls the client, so they come on that thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()
CHATTER = frozenset({"CONFWARN", "FAIL", "REQTMOUT"})
"""Never worth more than a debug line: one settings table serves every kind of client, and reconnecting is routine."""


class ClientLog:
    """What confluent-kafka takes as ``logger``; only `log` is ever called."""

    def __init__(self, hear: Callable[[str, str], None] | None = None) -> None:
        self._hear = hear

    def log(self, level: int, _template: str, facility: str, client: str, line: str) -> None:
        """Pass one line on; ``facility`` is librdkafka's short name for the place it comes from."""
        if self._hear is not None:
            self._hear(facility, line)
        severity = logging.DEBUG if facility in CHATTER else level
        log.log(severity, "kafka_client", facility=facility, client=client, line=line)
