"""What the topic and offset administration share: one admin client, its futures awaited, its errors translated.

Used by the operator's verbs only, never by a running worker's commit path.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import DarkroomError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

_UNREACHABLE: Final = frozenset({
    KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own codes have a leading underscore
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_CONTROLLER,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
})  # fmt: skip

_UNSETTLED: Final = frozenset({
    "UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION", "UNSTABLE_OFFSET_COMMIT",
})  # fmt: skip
_SETTLE_S: Final = 0.1

T = TypeVar("T")


class AdminError(DarkroomError):
    """The cluster answered and refused. ``code`` is Kafka's name for the reason, for example ``INVALID_PARTITIONS``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class KafkaAdmin:
    """An admin client that answers with values, `Unavailable` ("kafka") or `AdminError`."""

    def __init__(self, settings: Mapping[str, Any], *, timeout_s: float = 8.0) -> None:
        self.address = str(settings.get("bootstrap.servers", ""))
        self.timeout_s = timeout_s
        self._last_complaint = ""
        # A client that cannot connect reports why only here; its calls just time out.
        config: dict[str, Any] = {**settings, "error_cb": self._complained, "log_level": 0}
        self.settings: Mapping[str, Any] = config
        self.client = AdminClient(config)

    def wait(self, future: Future[T], about: str = "") -> T:
        """Return the future's result; its error is translated, and says what it is about."""
        return self.translate(future.result, about)

    def translate(self, call: Callable[[], T], about: str = "") -> T:
        """Return what the call returns; its error is translated, and says what it is about."""
        try:
            return call()
        except KafkaException as error:
            detail = error.args[0].str()
            raise self.error(error.args[0], f"{about}: {detail}" if about else detail) from error

    def settle(self, call: Callable[[], T]) -> T:
        """Return what the call returns, made again while brokers have yet to hear of a new topic or a commit."""
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                return call()
            except AdminError as error:
                if error.code not in _UNSETTLED or time.monotonic() > deadline:
                    raise
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_SETTLE_S)

    def error(self, error: KafkaError, detail: str) -> DarkroomError:
        """Return an error of the client's, or of one partition in an answer, as one of ours."""
        if error.code() in _UNREACHABLE:
            self.client.poll(0)  # only here does the client hand over its complaints
            why = f" ({self._last_complaint})" if self._last_complaint else ""
            return Unavailable("kafka", f"{self.address}: {detail}{why}")
        return AdminError(error.name(), detail)

    def _complained(self, error: KafkaError) -> None:
        # "All brokers down" says less than the complaint about the one broker that came before it.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._last_complaint:  # noqa: SLF001 - as above
            self._last_complaint = error.str()
