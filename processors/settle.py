"""Make an object in the store at least as new as what we know, whoever else writes it at the same time."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from schemas.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from processors.ports import Blob, Store

MAX_BYTES: Final = 16 * 1024 * 1024
"""More than any document of ours can have."""
TRIES: Final = 20


class Unread(Enum):
    """The state of an object that has not been looked at."""

    UNREAD = "unread"


def settle(  # noqa: PLR0913 - an object's place is three of them
    store: Store,
    bucket: str,
    key: str,
    merge: Callable[[bytes | None], bytes],
    *,
    content_type: str,
    believed: Blob | Unread | None = Unread.UNREAD,
) -> bytes:
    """Replace the object by ``merge`` of its present bytes until nobody came in between; return what then stands there.

    ``merge`` returns the bytes it was given if they shall stay. With ``believed`` (None: no object) the first attempt
    saves the read. Costs one request if that is right and nothing is to change, else two, and two more for every rival.
    Raise `Transient` after `TRIES` rivals.
    """
    state = believed
    for _ in range(TRIES):
        if isinstance(state, Unread):
            state = store.fetch(bucket, key, limit=MAX_BYTES)
        present = None if state is None else state.data
        wanted = merge(present)
        expected = None if state is None else state.etag
        if wanted == present or store.replace(bucket, key, wanted, expected=expected, content_type=content_type):
            return wanted
        state = Unread.UNREAD
    message = f"{bucket}/{key} was changed by others {TRIES} times in a row"
    raise Transient(message)
