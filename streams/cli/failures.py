"""What a command says when it cannot go on, and with which exit code: one line for each problem, no traceback.

Only mistakes and outages that a user can mend are named here; a defect of ours keeps its traceback.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

from schemas.errors import DarkroomError, Permanent, Unavailable
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.settings import Settings


class Exit(IntEnum):
    """Exit codes of every verb."""

    OK = 0
    FAILED = 1
    """The command ran and the answer is no: an image failed, a check found differences."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    UNREACHABLE = 3
    """A broker, the store or the registry does not answer."""
    FENCED = 4
    """Another worker has this worker's transactional id."""
    INTERRUPTED = 130


class CommandError(DarkroomError):
    """Ends the command with these lines on stderr and this exit code."""

    def __init__(self, code: Exit, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.code = code
        self.lines = lines


def usage(*lines: str) -> CommandError:
    """Make the error of a command line that cannot be meant."""
    return CommandError(Exit.USAGE, *lines)


@contextmanager
def named_services(settings: Settings) -> Iterator[None]:
    """Turn "a service is down" into one line with its address and the setting that holds it."""
    try:
        yield
    except Unavailable as error:
        from schemas.codec import NotRegistered  # noqa: PLC0415  fastavro is slow to import, and rarely needed here

        if isinstance(error, NotRegistered):
            raise CommandError(Exit.FAILED, error.detail) from error
        raise unreachable(settings, error.service, error.detail) from error
    except BrokerError as error:
        if error.severity is Severity.FENCED:
            message = f"fenced: another worker has this transactional id ({error})"
            raise CommandError(Exit.FENCED, message) from error
        if error.code.endswith("AUTHORIZATION_FAILED"):
            message = f"kafka refuses it: {error}; grant the right, see docs/acls.md"
            raise CommandError(Exit.FAILED, message) from error
        raise unreachable(settings, "kafka", str(error)) from error
    except Permanent as error:
        raise CommandError(Exit.FAILED, f"{error.reason}: {error.detail}") from error


def unreachable(settings: Settings, service: str, detail: str) -> CommandError:
    """Say which address does not answer and where it is set."""
    address, setting = _address(settings, service)
    reason = " ".join(detail.split())
    for said_already in (address, f"({setting})"):
        reason = reason.removeprefix(said_already).lstrip(": ")
    reason = reason[:300]
    return CommandError(Exit.UNREACHABLE, f"cannot reach {service} at {address} ({setting}): {reason}")


def _address(settings: Settings, service: str) -> tuple[str, str]:
    if service == "store":
        if settings.store.kind == "directory":
            return str(settings.store.directory), "store.directory"
        return settings.store.endpoint, "store.endpoint"
    if service == "registry":
        return settings.registry.url, "registry.url"
    return settings.kafka.bootstrap_servers, "kafka.bootstrap_servers"
