"""The hybrid logical clock as a step function: which of two events about an image is newer, whoever wrote them.

One integer: milliseconds since the epoch, shifted left by 16, plus a counter. It fits a signed 64-bit integer until the
year 6429 (microseconds would not fit today). No clock is read here: the time comes in, the next value goes out.
"""

from __future__ import annotations

from typing import Final

from schemas.errors import Permanent, Reason

COUNTER_BITS: Final = 16
MAX_HLC: Final = (1 << 63) - 1
_US_PER_MS: Final = 1000
MAX_AHEAD_US: Final = 10 * 60 * 1_000_000
"""How far ahead of the reader's clock an hlc may be, in microseconds: ten minutes is beyond any synchronised clock."""


def next_hlc(previous: int, now_us: int) -> int:
    """Return the clock's next value: greater than ``previous`` (own or seen) and never behind the time ``now_us``.

    A counter that overflows runs into the milliseconds; the order holds all the same.
    """
    return max(previous + 1, now_us // _US_PER_MS << COUNTER_BITS)


def hlc_time_us(hlc: int) -> int:
    """Return the time in an hlc, in microseconds since the epoch (to the millisecond)."""
    return (hlc >> COUNTER_BITS) * _US_PER_MS


def check_hlc(hlc: int, now_us: int, max_ahead_us: int = MAX_AHEAD_US) -> None:
    """Raise `Permanent` (``invalid_event``) for an hlc that is no clock's or too far in the future.

    An image with such an hlc could not be replaced or deleted before that future came.
    """
    if not 0 < hlc <= MAX_HLC:
        message = f"hlc {hlc} is not in 1 to 2**63 - 1"
        raise Permanent(Reason.INVALID_EVENT, message)
    ahead_us = hlc_time_us(hlc) - now_us
    if ahead_us > max_ahead_us:
        message = f"hlc {hlc} is {ahead_us / 1e6:.1f} s ahead of now, allowed are {max_ahead_us / 1e6:.1f} s"
        raise Permanent(Reason.INVALID_EVENT, message)
