"""The hybrid logical clock: always forward, never behind the time, and a far future is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Permanent, Reason
from schemas.hlc import MAX_AHEAD_US, MAX_HLC, check_hlc, hlc_time_us, next_hlc

NOW_US = 1_772_627_415_123_456
times = st.integers(0, 2**52)


@given(st.lists(times, min_size=1, max_size=30))
def test_the_clock_only_goes_forward(readings: list[int]) -> None:
    """Whatever the wall clock does, each value is greater than the one before and not behind the time."""
    value = 0
    for now_us in readings:
        following = next_hlc(value, now_us)
        assert following > value
        assert hlc_time_us(following) >= now_us // 1000 * 1000
        value = following


def test_a_full_counter_runs_into_the_time() -> None:
    """70 000 events in one millisecond stay in order."""
    value = next_hlc(0, NOW_US)
    for _ in range(70_000):
        value = next_hlc(value, NOW_US)
    assert hlc_time_us(value) == NOW_US // 1000 * 1000 + 1000


def test_it_fits_a_long_until_the_year_6429() -> None:
    """Avro's long carries the clock, today and for ever that matters."""
    assert next_hlc(0, NOW_US) == 1_772_627_415_123 << 16
    assert hlc_time_us(MAX_HLC) // 1_000_000 // 31_556_952 + 1970 == 6429


@pytest.mark.parametrize("hlc", [0, -1, MAX_HLC + 1, MAX_HLC, next_hlc(0, NOW_US + MAX_AHEAD_US + 1001)])
def test_an_impossible_or_far_future_clock_is_refused(hlc: int) -> None:
    """An image with such a clock could not be replaced or deleted before that future came."""
    with pytest.raises(Permanent) as caught:
        check_hlc(hlc, NOW_US)
    assert caught.value.reason is Reason.INVALID_EVENT


@pytest.mark.parametrize("hlc", [1, next_hlc(0, NOW_US), next_hlc(0, NOW_US + MAX_AHEAD_US - 1000)])
def test_the_past_and_a_skewed_clock_are_fine(hlc: int) -> None:
    """A replay is years old and a publisher's clock some minutes ahead: neither is refused."""
    check_hlc(hlc, NOW_US)
