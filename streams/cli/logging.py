"""Configures structlog for a process of ours: JSON for machines, colours for people, and never a secret.

The only place that configures logging; everything else just logs events with fields.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from streams.settings import Log, Settings

_SECRET_NAME = re.compile(
    r"pass(word|wd)?$|secret|token|api_?key|credential|authorization|sasl\.jaas|\.key\.pem", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]+):[^/@\s]+@")
_MASK = "***"
_SHORTEST = 4
"""Shorter secrets are masked by name only: replacing every "a" in a log would say more than it hides."""


class Redact:
    """A structlog processor that masks fields by their name, passwords in URLs, and every known secret's value."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(sorted((value for value in secrets if len(value) >= _SHORTEST), key=len, reverse=True))

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the event without secrets."""
        return {name: self._field(name, value) for name, value in event.items()}

    def _field(self, name: str, value: Any) -> Any:  # noqa: ANN401  log fields are of any type
        if _SECRET_NAME.search(name) and value is not None:
            return _MASK
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {key: self._field(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._field("", inner) for inner in value]
        return value

    def _text(self, value: str) -> str:
        for secret in self._secrets:
            value = value.replace(secret, _MASK)
        return _URL_PASSWORD.sub(rf"\1:{_MASK}@", value)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return every secret's value that the settings hold."""
    held = [settings.store.secret_key, settings.registry.password]
    named = [str(value) for name, value in settings.kafka.client.items() if _SECRET_NAME.search(name)]
    return (*(secret.get_secret_value() for secret in held if secret), *named)


def configure(log: Log, secrets: tuple[str, ...] = ()) -> None:
    """Log to stderr from now on, in the format and from the level that the settings say."""
    level = logging.getLevelNamesMapping()[log.level.upper()]
    as_json = log.format == "json" or (log.format == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else _leave,
            Redact(secrets),
            structlog.processors.JSONRenderer(default=str) if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _leave(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return event
