"""The two roots of every error that processing knows, and the reason codes of failed events.

Adapters translate library errors into these once, at their edge (``raise … from``). A `Permanent` error ends as a
failed event with its reason; a `Transient` one is retried in place, holding its key only.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an image failed; the symbols of the enum ``Reason`` in ``ImageFailed.avsc``, in the same order."""

    OTHER = "other"
    UNDECODABLE = "undecodable"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    TOO_MANY_FRAMES = "too_many_frames"
    UNSUPPORTED_FORMAT = "unsupported_format"
    SOURCE_MISSING = "source_missing"
    SOURCE_CHANGED = "source_changed"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    UNKNOWN_RECIPE = "unknown_recipe"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    RENDERER_CRASHED = "renderer_crashed"
    WORKER_CRASHED = "worker_crashed"
    RETRIES_EXHAUSTED = "retries_exhausted"
    IMAGE_DELETED = "image_deleted"
    CANCELLED = "cancelled"
    OUTPUT_REFUSED = "output_refused"
    INVALID_EVENT = "invalid_event"
    INTERNAL = "internal"


class DarkroomError(Exception):
    """The root of all errors that this project raises on purpose."""


class Permanent(DarkroomError):
    """Will fail the same way every time: the record is answered with a failed event and the position moves on."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Permanent], tuple[Reason, str]]:
        """Pickle by the two arguments: errors cross the border of the render processes."""
        return type(self), (self.reason, self.detail)


class Transient(DarkroomError):
    """May succeed later: retried in place with back-off; attempts and age are bounded while no breaker is open."""

    reason = Reason.RETRIES_EXHAUSTED
    """What the record fails with if trying again never helped; a subclass may know better."""


class Waiting(Transient):
    """Somebody else has to move first (a newer worker's recipe to arrive here); given up with the reason it names."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Waiting], tuple[Reason, str]]:
        """Pickle by the two arguments."""
        return type(self), (self.reason, self.detail)


class Unavailable(Transient):
    """A service itself is down. Opens that service's breaker; attempts made meanwhile do not count."""

    def __init__(self, service: str, detail: str) -> None:
        super().__init__(f"{service} is unavailable: {detail}")
        self.service = service
        self.detail = detail

    def __reduce__(self) -> tuple[type[Unavailable], tuple[str, str]]:
        """Pickle by the two arguments."""
        return type(self), (self.service, self.detail)
