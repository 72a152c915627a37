"""The seam between the engine and the work: the engine knows nothing of images, only this Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.errors import Reason
    from schemas.record import Outgoing, Record


class Handler(Protocol):
    """Turns one record into the records that answer it; called on many threads at once, so it keeps no state."""

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Do the work and return its outputs, in order.

        Raise `schemas.errors.Unavailable` if a service is down, `Transient` if trying again may help, `Permanent` if
        not.
        """
        ...

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> Sequence[Outgoing]:
        """Return what answers a record that will not be tried again. May raise `Transient` only."""
        ...
