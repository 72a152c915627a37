"""One log line for every answer, read off the headers of what a handler returns; it changes nothing.

A handler around a handler: the engine does not know images, and the image handler does not know logs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.errors import Reason
    from schemas.record import Outgoing, Record
    from streams.runtime.handler import Handler

log = structlog.get_logger()
_NAMES = {"ImageReady": "image_ready", "ImageFailed": "image_failed", "ImageRemoved": "image_deleted"}


class LoggedHandler:
    """`streams.runtime.handler.Handler` that says what the inner one answered."""

    def __init__(self, inner: Handler) -> None:
        self._inner = inner

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Answer, and say so."""
        begun = time.perf_counter()
        outputs = self._inner(record)
        _say(record, outputs, begun)
        return outputs

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> Sequence[Outgoing]:
        """Give up, and say so."""
        begun = time.perf_counter()
        outputs = self._inner.give_up(record, reason, detail, attempts)
        _say(record, outputs, begun)
        return outputs


def _say(record: Record, outputs: Sequence[Outgoing], begun: float) -> None:
    for output in outputs:
        said = {name: value.decode(errors="replace") for name, value in output.headers if value is not None}
        fields: dict[str, object] = {
            "tenant": said.get("tenant"),
            "image_id": said.get("image_id"),
            "event_id": said.get("ce_id"),
            "trace": said.get("traceparent"),
            "cause": f"{record.topic}[{record.partition}]@{record.offset}",
            "ms": round((time.perf_counter() - begun) * 1000, 1),
        }
        kind = said.get("ce_type", "").rpartition(".")[2]
        if "__connect.errors.exception.message" in said:
            fields["why"] = said["__connect.errors.exception.message"]
        log.info(_NAMES.get(kind, "answered"), **fields)
