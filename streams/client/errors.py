"""What a publisher or a subscriber raises beside the two roots `Permanent` and `Transient` of ``schemas.errors``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.client.publication import Publication


class ClosedError(DarkroomError):
    """Used after it was closed."""


class ForkedError(DarkroomError):
    """Used in a forked child; librdkafka's threads and sockets stay with the parent."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"this {what} belongs to the parent process: its threads and sockets did not come across the fork. "
            f"Make a new {what} in the child, or start children with the spawn method"
        )


class RefusedError(DarkroomError):
    """Kafka did not take one record. ``code`` is Kafka's name for the reason, for example ``MSG_SIZE_TOO_LARGE``."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class UndeliveredError(DarkroomError):
    """Events that were not delivered, and whose failure nobody has seen yet; each publication says why it failed."""

    def __init__(self, publications: Sequence[Publication]) -> None:
        first = publications[0]
        more = f", and {len(publications) - 1} more" if len(publications) > 1 else ""
        super().__init__(f"not published: {first.tenant}/{first.image_id}: {first.exception()}{more}")
        self.publications = tuple(publications)


class ParkingError(DarkroomError):
    """An event can be neither handled nor parked, so the subscriber stops in front of it: nothing is lost."""


class WaitTimeoutError(DarkroomError):
    """Some answers did not come in time; ``missing`` has the event ids they should have answered."""

    def __init__(self, missing: frozenset[object], seconds: float) -> None:
        super().__init__(f"{len(missing)} of the awaited answers did not come within {seconds:g} s")
        self.missing = missing
