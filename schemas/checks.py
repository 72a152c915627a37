"""What an input event must satisfy beyond being readable, before anything is done for it.

All raise `Permanent` (``invalid_event``). Whether a bucket may be read or a recipe exists is not decided here.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from schemas.errors import Permanent, Reason
from schemas.events import ImageUploaded
from schemas.hlc import MAX_AHEAD_US, check_hlc
from schemas.ids import record_key

if TYPE_CHECKING:
    from schemas.events import FocusPoint, Input, Source

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHOWN_BYTES: Final = 200


def check_input(event: Input, key: bytes | None, now_us: int, max_ahead_us: int = MAX_AHEAD_US) -> None:
    """Check ids, key, clock and, of an upload, its source. ``now_us`` is microseconds since the epoch."""
    check_key(event, key)
    check_hlc(event.hlc, now_us, max_ahead_us)
    if isinstance(event, ImageUploaded):
        _check_source(event.source)
        if event.attributes.focus is not None:
            _check_focus(event.attributes.focus)


def check_key(event: Input, key: bytes | None) -> None:
    """Check that the record's key is the one of the event's image: order and partition followed from the key."""
    expected = record_key(event.tenant, event.image_id)
    if key != expected:
        shown = "none" if key is None else repr(key[:_SHOWN_BYTES])
        message = f"key {shown} contradicts the event, whose key is {expected!r}"
        raise Permanent(Reason.INVALID_EVENT, message)


def _check_source(source: Source) -> None:
    if not source.bucket or not source.key:
        _refuse("source has no bucket or no key")
    if source.size < 0:
        _refuse(f"source size {source.size} is negative")
    # It becomes part of object keys, so nothing but hex may pass.
    if source.sha256 is not None and _SHA256.fullmatch(source.sha256) is None:
        _refuse("source sha256 is not 64 lower-case hex digits")


def _check_focus(focus: FocusPoint) -> None:
    if not all(math.isfinite(part) and 0 <= part <= 1 for part in (focus.x, focus.y)):
        _refuse(f"focus point {focus.x}, {focus.y} is not within 0 to 1")


def _refuse(detail: str) -> None:
    raise Permanent(Reason.INVALID_EVENT, detail)
